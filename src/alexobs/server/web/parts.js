// The small pieces that all pages are made of.
import { html, useEffect, useRef, useState } from "./html.js";
import { compact, count, line, percent, usd } from "./format.js";
import { RANGES, bounds, link, param, paramAll, pause, paused, range, route, update } from "./state.js";
import { useAnswer } from "./api.js";

export const KIND_NAMES = {
  session: "Session", iteration: "Iteration", llm: "LLM", embedding: "Embedding", tool: "Tool", span: "Span",
};

const PATHS = {
  overview: "M3 13h4v5H3zM8.5 8h4v10h-4zM14 3h4v15h-4z",
  traces: "M3 4h10v2.6H3zM6 8.9h11v2.6H6zM9 13.8h5v2.6H9z",
  sessions: "M3 4h14v9.5H9.5L6 17v-3.5H3z",
  logs: "M3 4h14v1.8H3zM3 8h9v1.8H3zM3 12h14v1.8H3zM3 16h7v1.8H3z",
  costs: "M9.2 2.5h1.6v2c1.9.2 3.3 1.2 3.5 2.9h-2c-.2-.8-1-1.3-2.3-1.3s-2.2.6-2.2 1.5c0 2.5 6.8.9 6.8 5.2 0 1.9-1.5 3.2-3.8 3.4v2H9.200v-2C7 16 5.500 14.800 5.400 12.900h2c.1 1 1.100 1.600 2.600 1.600s2.500-.6 2.500-1.600c0-2.700-6.800-1-6.800-5.200 0-1.800 1.400-3 3.500-3.200z",
  health: "M2 9.5h4l2-5 4 11 2.200-6H18v1.700h-2.600L12 18.500l-4-11-.8 3.700H2z",
};

export const Icon = ({ name }) => html`
  <svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;

export const KindDot = ({ kind }) => html`
  <span class=${`kind kind-${kind in KIND_NAMES ? kind : "span"}`} title=${KIND_NAMES[kind] ?? "Span"}></span>`;

export const Status = ({ status }) => html`<span class=${`status status-${status}`}>${status}</span>`;

/** A cost, never a zero for what is unknown. */
export function Cost({ value, unpriced = 0, calls = null }) {
  if (value === null || value === undefined) {
    return unpriced || calls ? html`<span class="unpriced" title="No price is known for this model">unpriced</span>`
      : html`<span class="none">–</span>`;
  }
  return html`<span class="num">${usd(value)}${unpriced
    ? html`<span class="unpriced" title=${`plus ${count(unpriced)} calls without a known price`}>+?</span>` : ""}</span>`;
}

export const Tokens = ({ input, output }) => !input && !output ? html`<span class="none">–</span>`
  : html`<span class="num" title=${`${count(input)} in, ${count(output)} out`}>${compact(input)}<span class="arrow">→</span>${compact(output)}</span>`;

export const BUCKETS = [
  ["uncached_input", "uncached input"], ["cache_read", "cache read"], ["cache_write", "cache write"],
  ["output", "output"], ["reasoning", "reasoning"],
];

/** Tokens as one bar of disjoint buckets, with a legend that gives each number. */
export function TokenBar({ tokens }) {
  const total = BUCKETS.reduce((sum, [name]) => sum + (tokens[name] ?? 0), 0);
  if (!total) return null;
  return html`<div class="token-bar">
    <div class="segments" role="img" aria-label=${`${count(total)} tokens`}>
      ${BUCKETS.map(([name, label]) => tokens[name] ? html`<span class=${`seg seg-${name}`} title=${`${label}: ${count(tokens[name])}`}
        style=${{ flexGrow: tokens[name] / total }}></span>` : null)}
    </div>
    <dl class="legend">${BUCKETS.map(([name, label]) => tokens[name] ? html`<div>
      <dt><span class=${`swatch seg-${name}`}></span>${label}</dt>
      <dd class="num">${count(tokens[name])} <span class="faint">${percent(tokens[name] / total)}</span></dd></div>` : null)}</dl>
  </div>`;
}

export function Panel({ title, figure, note, children, href, extra, class: name = "" }) {
  return html`<section class=${`panel ${name}`} aria-label=${title}>
    <header class="panel-head">
      <h2>${href ? html`<a href=${href}>${title}</a>` : title}</h2>
      ${note ? html`<span class="panel-note">${note}</span>` : null}
      ${extra}
      ${figure !== undefined ? html`<span class="panel-figure num">${figure}</span>` : null}
    </header>
    <div class="panel-body">${children}</div>
  </section>`;
}

export function Empty({ title, children, code }) {
  return html`<div class="empty" role="status">
    <h3>${title}</h3>
    ${children ? html`<p>${children}</p>` : null}
    ${code ? html`<${CodeBlock} text=${code} />` : null}
  </div>`;
}

/** What a page without data says: the lines that bring the first trace. */
export const FirstSteps = ({ what }) => html`<div class="empty" role="status">
  <h3>No ${what} yet</h3>
  <p>Try the example agent. It needs no key and no account:</p>
  <${CodeBlock} text="alexobs demo" />
  <p>Or observe a program of your own as it is. Its telemetry comes to this server by itself:</p>
  <${CodeBlock} text="alexobs run --session -- python agent.py" />
  <p>Or say in it what is a session:</p>
  <${CodeBlock} text=${'import alexobs, openai\n\nobs = alexobs.init()\nclient = obs.instrument(openai.OpenAI())\n\nwith obs.session("fix the bug"):\n    client.chat.completions.create(...)'} />
  <p>Any other OpenTelemetry program, in any language, needs one setting:</p>
  <${CodeBlock} text=${`export OTEL_EXPORTER_OTLP_ENDPOINT=http://${location.hostname}:4318`} />
</div>`;

export function CodeBlock({ text }) {
  return html`<div class="code"><pre>${text}</pre><${Copy} text=${() => text} label="Copy" /></div>`;
}

/** A button that copies what `text()` gives, and says that it did. */
export function Copy({ text, label }) {
  const [done, set] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(await text());
      set("Copied");
    } catch {
      set("Not allowed here");
    }
    setTimeout(() => set(""), 1500);
  };
  return html`<button type="button" class="quiet" onClick=${copy} aria-live="polite">${done || label}</button>`;
}

/** Asked for when the server wants a token; kept as a cookie, which event streams send as well. */
function TokenPrompt() {
  const enter = (event) => {
    event.preventDefault();
    const token = new FormData(event.target).get("token").trim();
    document.cookie = `alexobs-token=${token}; path=/; max-age=2592000; samesite=strict${location.protocol === "https:" ? "; secure" : ""}`;
    location.reload();
  };
  return html`<form class="failure" onSubmit=${enter}><h3>This server asks for a token</h3>
    <p>It is the one that <code>alexobs up --token</code> was started with.</p>
    <input class="search" type="password" name="token" aria-label="Token" autocomplete="current-password" required autofocus /><button type="submit">Continue</button></form>`;
}

export function Failure({ error, retry }) {
  if (error.status === 401) return html`<${TokenPrompt} />`;
  return html`<div class="failure" role="alert">
    <h3>${error.message}</h3>
    ${error.hint ? html`<p>${error.hint}</p>` : null}
    ${retry ? html`<button type="button" onClick=${retry}>Try again</button>` : null}
  </div>`;
}

export const Loading = ({ what = "Loading" }) => html`<div class="loading" role="status"><span class="spinner"></span>${what}…</div>`;

/** The answer as children; else its error, or that it is loading. */
export function Answer({ answer, children, what }) {
  if (answer.data) {
    return html`${answer.error ? html`<div class="stale" role="alert">${answer.error.message}. Showing what was known before. ${answer.error.hint}</div>` : null}
      ${children(answer.data)}`;
  }
  return answer.error ? html`<${Failure} error=${answer.error} />` : html`<${Loading} what=${what} />`;
}

/** A button that opens a list of values with their counts; several may be picked. */
export function Facet({ name, label, values = [] }) {
  const [open, set] = useState(false);
  const box = useRef(null);
  const picked = paramAll(name);
  useEffect(() => {
    if (!open) return undefined;
    const close = (event) => {
      if (event.key === "Escape" || (event.type === "pointerdown" && !box.current?.contains(event.target))) {
        set(false);
        if (event.key) event.stopPropagation();
      }
    };
    addEventListener("pointerdown", close);
    addEventListener("keydown", close, true);
    return () => { removeEventListener("pointerdown", close); removeEventListener("keydown", close, true); };
  }, [open]);
  const toggle = (value) => update({
    [name]: picked.includes(value) ? picked.filter((one) => one !== value) : [...picked, value],
  });
  const known = new Set(values.map((one) => one.value));
  const shown = [...values, ...picked.filter((one) => !known.has(one)).map((value) => ({ value, count: null }))];
  return html`<div class="facet" ref=${box} data-facet=${name}>
    <button type="button" class=${picked.length ? "chosen" : ""} aria-expanded=${open} aria-haspopup="true" onClick=${() => set(!open)}>
      ${label}${picked.length ? html`: <b><bdi>${line(picked[0], 24)}</bdi></b>${picked.length > 1 ? ` +${picked.length - 1}` : ""}` : ""}<span class="caret"></span>
    </button>
    ${open ? html`<div class="popover">
      ${shown.length === 0 ? html`<p class="faint">Nothing to choose from in this time.</p>` : null}
      ${shown.slice(0, 100).map(({ value, count: n }) => html`<label key=${value}>
        <input type="checkbox" checked=${picked.includes(value)} onChange=${() => toggle(value)} />
        <bdi class="grow">${line(value, 60)}</bdi><span class="num faint">${n === null ? "" : compact(n)}</span></label>`)}
      ${picked.length ? html`<button type="button" class="quiet" onClick=${() => update({ [name]: null })}>Clear</button>` : null}
    </div>` : null}
  </div>`;
}

export function Range() {
  const { from, to, name } = range.value;
  if (from) {
    const text = `${new Date(from).toLocaleString()} – ${new Date(to).toLocaleTimeString()}`;
    return html`<button type="button" class="chosen" title="Back to the moving window" onClick=${() => update({ from: null, to: null })}>
      <span class="num">${text}</span> <span aria-hidden="true">×</span></button>`;
  }
  return html`<select aria-label="Time range" value=${name} onChange=${(event) => update({ range: event.target.value })}>
    ${RANGES.map(([id, text]) => html`<option value=${id} selected=${id === name}>${id === "all" ? "All time" : `Last ${text}`}</option>`)}</select>`;
}

export function LiveSwitch() {
  const on = !paused.value;
  return html`<button type="button" class=${`live ${on ? "on" : ""}`} aria-pressed=${on} title="Pause or resume (p)"
    onClick=${() => pause(on)}><span class="pulse"></span>${on ? "Live" : "Paused"}</button>`;
}

export function useFacets(names, tick = 0) {
  const { data } = useAnswer("facets", bounds(), tick);
  return names.map(([name, label]) => html`<${Facet} key=${name} name=${name} label=${label} values=${data?.facets?.[name]} />`);
}

/** A search field that writes to the URL when typing pauses. `/` puts the cursor here. */
export function Search({ placeholder, name = "q" }) {
  const [text, set] = useState(param(name, ""));
  const written = useRef(text);
  const inUrl = param(name, "");
  useEffect(() => {
    if (inUrl !== written.current) { written.current = inUrl; set(inUrl); }
  }, [inUrl]);
  useEffect(() => {
    if (text === written.current) return undefined;
    const timer = setTimeout(() => { written.current = text; update({ [name]: text || null }, { replace: true }); }, 250);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<input class="search" type="search" value=${text} placeholder=${placeholder} aria-label=${placeholder}
    spellcheck=${false} onInput=${(event) => set(event.target.value)} data-search />`;
}

export function PageHead({ title, children }) {
  return html`<header class="page-head"><h1>${title}</h1><div class="controls">${children}</div></header>`;
}

/** Scrolls in rows of one height, of which only those in view exist. */
export function useViewport(rowHeight, follow = null) {
  const box = useRef(null);
  const [view, set] = useState({ top: 0, height: 800 });
  useEffect(() => {
    const node = box.current;
    if (!node) return undefined;
    let frame = 0;
    const read = () => {
      frame = 0;
      const top = Math.floor(node.scrollTop / rowHeight) * rowHeight;
      set((old) => old.top === top && old.height === node.clientHeight ? old : { top, height: node.clientHeight });
    };
    const later = () => { frame ||= requestAnimationFrame(read); };
    node.addEventListener("scroll", later, { passive: true });
    const observer = new ResizeObserver(later);
    observer.observe(node);
    read();
    return () => { cancelAnimationFrame(frame); node.removeEventListener("scroll", later); observer.disconnect(); };
  }, [box.current, follow]);
  return { box, ...view };
}

/** Bring row `index` into view with the least scrolling. */
export function reveal(node, index, rowHeight, head = 0) {
  if (!node) return;
  const top = index * rowHeight;
  const room = node.clientHeight - head;
  if (top < node.scrollTop) node.scrollTop = top;
  else if (top + rowHeight > node.scrollTop + room) node.scrollTop = top + rowHeight - room;
}

export const traceLink = (traceId, spanId = null) => link("traces", traceId, { ...kept(), span: spanId });
const kept = () => route.value.page === "traces" ? { ...Object.fromEntries(route.value.params), span: null } : {};
