// Everything that is known about one span.
import { html, useEffect, useState } from "./html.js";
import { clock, count, day, duration, line, moment, pretty, visible } from "./format.js";
import { segment, useAnswer } from "./api.js";
import { Answer, Copy, Cost, KIND_NAMES, KindDot, Status, TokenBar } from "./parts.js";
import { Call, Conversation } from "./conversation.js";
import { Text, Value } from "./json.js";
import { link, route } from "./state.js";

const TABS = ["Span", "Attributes", "Logs", "JSON"];

export function Inspector({ traceId, spanId, status, close }) {
  const settled = useSettled(spanId, 90);
  const [tab, setTab] = useState("Span");
  const answer = useAnswer(settled ? `spans/${segment(traceId)}/${segment(settled)}` : null, {}, status);
  return html`<aside class="inspector" aria-label="Inspector">
    <${Answer} answer=${answer} what="Reading the span">${(span) => html`
      <${Head} span=${span} close=${close} />
      <div class="tabs" role="tablist">${TABS.map((name) => html`<button type="button" role="tab" aria-selected=${tab === name} onClick=${() => setTab(name)}>${name}${name === "Logs" && span.logs.length ? html` <span class="num faint">${span.logs.length}</span>` : ""}</button>`)}</div>
      <div class="inspector-body" role="tabpanel" key=${span.span_id + tab}>
        ${tab === "Span" ? html`<${Facts} span=${span} />` : null}
        ${tab === "Attributes" ? html`<${Attributes} span=${span} />` : null}
        ${tab === "Logs" ? html`<${Logs} span=${span} />` : null}
        ${tab === "JSON" ? html`<${Value} value=${span} />` : null}
      </div>`}<//>
  </aside>`;
}

/** A value that has not changed for a while: a held key does not ask for every span it passes. */
function useSettled(value, ms) {
  const [settled, set] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => set(value), ms);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

const here = (span) => `${location.origin}${location.pathname}${link("traces", span.trace_id, { span: span.span_id })}`;

const Head = ({ span, close }) => html`<header class="inspector-head">
  <div class="inspector-title"><${KindDot} kind=${span.kind} /><h2><bdi title=${visible(span.name)}>${line(span.tool ?? (span.kind === "llm" ? span.model : null) ?? span.name, 120)}</bdi></h2><${Status} status=${span.status} /></div>
  <div class="inspector-sub"><span>${KIND_NAMES[span.kind] ?? "Span"}</span><bdi class="grow">${line(span.name, 80)}</bdi>
    <${Copy} label="Copy JSON" text=${() => JSON.stringify(span, null, 2)} /><${Copy} label="Copy link" text=${() => here(span)} />
    <button type="button" class="quiet" aria-label="Close the inspector" onClick=${close}>✕</button></div>
</header>`;

const Fact = ({ name, children }) => children === null || children === undefined || children === "" ? null : html`<div><dt>${name}</dt><dd>${children}</dd></div>`;
const text = (value) => value === null || value === undefined ? null : html`<bdi>${line(value, 120)}</bdi>`;

function Facts({ span }) {
  const { price, contents: c } = span;
  return html`
    ${span.error || span.status === "error" ? html`<${Fault} span=${span} />` : null}
    <dl class="facts">
      <${Fact} name="Duration"><span class="num">${span.duration_ms === null ? "running" : duration(span.duration_ms)}</span><//>
      <${Fact} name="First token">${span.ttft_ms === null ? null : html`<span class="num">${duration(span.ttft_ms)}</span>`}<//>
      <${Fact} name="Started"><span class="num" title=${moment(span.start_ms)}>${clock(span.start_ms, true)}</span><//>
      <${Fact} name="Model">${text(span.model)}<//>
      <${Fact} name="Answered by">${span.response_model === span.model ? null : text(span.response_model)}<//>
      <${Fact} name="Provider">${text(span.provider)}<//>
      <${Fact} name="Tool">${text(span.tool)}<//>
      <${Fact} name="Agent">${text(span.agent)}<//>
      <${Fact} name="Iteration">${span.iteration === null ? null : count(span.iteration)}<//>
      <${Fact} name="Attempts">${span.attempts > 1 ? count(span.attempts) : null}<//>
      <${Fact} name="Session">${span.session_id ? html`<a class="go" href=${link("sessions", span.session_id)}><bdi>${line(span.session_id, 40)}</bdi></a>` : null}<//>
      <${Fact} name="User">${text(span.user_id)}<//>
      <${Fact} name="Service">${text(span.service)}<//>
    </dl>
    <${Money} price=${price} kind=${span.kind} />
    ${span.kind === "tool" || c.tool_arguments !== null || c.tool_result !== null ? html`<${Tool} span=${span} />` : null}
    ${c.system_instructions.length ? html`<${Section} title="System" closed><${Conversation} messages=${[{ role: "system", parts: c.system_instructions }]} /><//>` : null}
    ${c.input_messages.length ? html`<${Section} title="Input" note=${c.input_messages.length}><${Conversation} messages=${c.input_messages} /><//>` : null}
    ${c.output_messages.length ? html`<${Section} title="Output"><${Conversation} messages=${c.output_messages} /><//>` : null}
    ${c.tool_definitions.length ? html`<${Section} title="Tools offered" note=${c.tool_definitions.length} closed><${Value} value=${c.tool_definitions} /><//>` : null}
    ${span.kind === "llm" && !c.input_messages.length && !c.output_messages.length ? html`<p class="faint pad">No contents were captured. They are when the setting <code>instrumentation.content</code> is <code>full</code>.</p>` : null}
    ${span.events.length ? html`<${Section} title="Events" note=${span.events.length}>${span.events.map((event) => html`<div class="event"><b><bdi>${line(event.name, 80)}</bdi></b> <span class="num faint">${clock(event.time_ms, true)}</span><${Table} values=${event.attributes} /></div>`)}<//>` : null}
    ${span.links.length ? html`<${Section} title="Links" note=${span.links.length}>${span.links.map((one) => html`<a class="go mono" href=${link("traces", one.trace_id, { span: one.span_id })}>${one.trace_id}</a>`)}<//>` : null}`;
}

/** A part of the inspector that opens and closes. */
export function Section({ title, note, closed = false, children }) {
  const [open, set] = useState(!closed);
  return html`<section class="section"><button type="button" class="section-head" aria-expanded=${open} onClick=${() => set(!open)}><span class=${`twist ${open ? "opened" : ""}`}></span>${title}${note ? html`<span class="num faint">${note}</span>` : null}</button>
    ${open ? html`<div class="section-body">${children}</div>` : null}</section>`;
}

function Fault({ span }) {
  const event = span.events.find((one) => one.name === "exception");
  const trace = event?.attributes["exception.stacktrace"];
  return html`<div class="fault"><b><bdi>${line(event?.attributes["exception.type"] ?? span.error ?? "error", 120)}</bdi></b>
    ${span.status_message || event?.attributes["exception.message"] ? html`<${Text} text=${String(span.status_message ?? event.attributes["exception.message"])} />` : null}
    ${trace ? html`<${Section} title="Stack" closed><${Text} text=${String(trace)} class="json" /><//>` : null}</div>`;
}

function Money({ price, kind }) {
  const any = Object.values(price.tokens).some((value) => value);
  if (!any && price.cost_usd === null && !price.unpriced) return null;
  return html`<section class="money"><div class="money-head"><span class="money-figure"><${Cost} value=${price.cost_usd} unpriced=${price.cost_usd === null ? 1 : 0} /></span>
      <span class="faint provenance">${price.price_id ? html`<bdi class="mono">${line(price.price_id, 60)}</bdi> prices of ${visible(price.price_date ?? "unknown date")}`
        : price.unpriced ? html`No price: <bdi>${line(price.unpriced, 100)}</bdi>` : price.cost_usd !== null ? "as reported by the sender" : ""}</span></div>
    <${TokenBar} tokens=${price.tokens} />
    ${price.raw_usage ? html`<${Section} title="Usage as the provider sent it" closed><${Value} value=${price.raw_usage} /><//>` : null}</section>`;
}

const Tool = ({ span }) => html`
  <${Section} title="Arguments">${span.contents.tool_arguments === null ? html`<p class="faint">none captured</p>` : html`<${Value} value=${span.contents.tool_arguments} />`}<//>
  <${Section} title="Result">${span.contents.tool_result === null ? html`<p class="faint">${span.status === "running" ? "still running" : "none captured"}</p>` : html`<${Value} value=${span.contents.tool_result} />`}<//>`;

const Table = ({ values }) => html`<dl class="attributes">${Object.entries(values).map(([name, value]) => html`<div><dt><bdi>${line(name, 120)}</bdi></dt><dd><${Text} text=${typeof value === "string" ? value : pretty(value)} class="attribute" /></dd></div>`)}</dl>`;

const Attributes = ({ span }) => html`
  <${Section} title="Ids"><${Table} values=${{ trace_id: span.trace_id, span_id: span.span_id, parent_span_id: span.parent_span_id ?? "none", ...(span.run_id ? { run_id: span.run_id } : {}), ...(span.tool_call_id ? { tool_call_id: span.tool_call_id } : {}) }} /><//>
  <${Section} title="Attributes" note=${Object.keys(span.attributes).length}>${Object.keys(span.attributes).length ? html`<${Table} values=${span.attributes} />` : html`<p class="faint">All attributes of this span have a place of their own in the first tab.</p>`}<//>
  <${Section} title="Resource" note=${Object.keys(span.resource).length}><${Table} values=${span.resource} /><//>
  <${Section} title="OpenTelemetry"><${Table} values=${{ name: span.name, kind: span.otel_kind, status: span.status_code, scope: span.scope ?? "none", dropped_attributes: span.dropped }} /><//>`;

const Logs = ({ span }) => span.logs.length ? html`<ul class="span-logs">${span.logs.map((log) => html`<li class=${`level-${log.level}`}><span class="num faint">${clock(log.time_ms, true)}</span><b class="level">${log.level}</b><bdi>${line(log.body, 400)}</bdi></li>`)}</ul>
    <a class="go pad" href=${link("logs", null, { trace: span.trace_id, range: "all" })}>All lines of this trace</a>`
  : html`<p class="faint pad">No log line was written inside this span on ${day(span.start_ms)}. <a class="go" href=${link("logs", null, { trace: span.trace_id, range: "all" })}>Lines of the whole trace</a></p>`;
export const selectedSpan = () => route.value.params.get("span");
