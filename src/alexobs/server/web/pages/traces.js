// List, waterfall and inspector, side by side.
import { html, signal, useCallback, useEffect, useRef, useState } from "../html.js";
import { ago, clock, compact, duration, line, moment, plural, shortId } from "../format.js";
import { bounds, current, go, link, param, paramAll, paused, range, route, update } from "../state.js";
import { Cost, Empty, Failure, FirstSteps, KindDot, LiveSwitch, Loading, PageHead, Range, Search, Status, Tokens, useFacets } from "../parts.js";
import { useAnswer, useLive, useTick } from "../api.js";
import { useKeys } from "../keys.js";
import { VirtualList, useList } from "../lists.js";
import { MOST_SPANS, useTrace } from "../trace.js";
import { Waterfall } from "../waterfall.js";
import { Inspector } from "../inspector.js";

const FACETS = [["status", "Status"], ["model", "Model"], ["tool", "Tool"], ["service", "Service"], ["agent", "Agent"], ["user", "User"]];
const SORTS = [["start", "Newest"], ["duration", "Slowest"], ["cost", "Most expensive"], ["tokens", "Most tokens"], ["spans", "Most spans"], ["errors", "Most errors"]];
const ROW = 58;
const TABLE_ROW = 38;

function asked() {
  const facets = Object.fromEntries(FACETS.map(([name]) => [name, paramAll(name)]));
  return { ...bounds(), ...facets, q: param("q"), session: param("session"), sort: param("sort"), min_duration_ms: param("min_duration_ms"), min_cost_usd: param("min_cost_usd"), limit: 100 };
}

const filtered = () => FACETS.some(([name]) => paramAll(name).length) || param("q") || param("session") || range.value.from;

export function Traces() {
  const { id } = route.value;
  const [atTop, setAtTop] = useState(true);
  const again = useArrivals(atTop && !paused.value && !range.value.from);
  const facets = useFacets(FACETS);
  const list = useList("traces", "traces", asked(), again, (trace) => trace.trace_id);
  useTasks(list.rows, list.rows?.length ?? 0);
  const { trace, error, loading, retry } = useTrace(id);
  const inspector = param("span");
  const openTrace = (row, options) => row && go(link("traces", row.trace_id, { ...current(), span: null }), options);
  const index = list.rows?.findIndex((row) => row.trace_id === id) ?? -1;
  const step = (by) => list.rows && openTrace(list.rows[Math.max(0, Math.min(list.rows.length - 1, index + by))], { replace: index >= 0 });
  useKeys(id ? { Escape: () => inspector ? update({ span: null }) : go(link("traces", null, current())) }
    : { j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1), Enter: () => step(1) });
  return html`<${PageHead} title="Traces"><${Search} placeholder="Search names, ids, errors, contents" />${facets}
      <select aria-label="Sort" value=${param("sort", "start")} onChange=${(event) => update({ sort: event.target.value === "start" ? null : event.target.value })}>
        ${SORTS.map(([name, text]) => html`<option value=${name} selected=${name === param("sort", "start")}>${text}</option>`)}</select>
      <${Range} /><${LiveSwitch} /><//>
    ${param("session") ? html`<p class="filter-note">Session <bdi class="mono">${line(param("session"), 60)}</bdi> <button type="button" class="quiet" onClick=${() => update({ session: null })}>Show all</button></p>` : null}
    ${list.rows && !list.rows.length && !filtered() && !id ? html`<${FirstSteps} what="traces in this time" />`
      : html`<div class=${`panes ${id ? "with-trace" : ""} ${inspector ? "with-inspector" : ""}`}>
        <${List} list=${list} id=${id} index=${index} setAtTop=${setAtTop} />
        ${id ? html`<section class="trace-pane" aria-label="Trace">${error ? html`<${Failure} error=${error} retry=${retry} />`
          : trace ? html`<${Trace} key=${id} trace=${trace} step=${step} />` : loading ? html`<${Loading} what="Reading the trace" />` : null}</section>` : null}
      </div>`}`;
}

/** Grows when spans have arrived, at most once a second, while `on`. */
function useArrivals(on) {
  const [arrivals, set] = useState(0);
  const timer = useRef(0);
  useEffect(() => () => { clearTimeout(timer.current); timer.current = 0; }, [on]);
  useLive({}, (type) => {
    if (type === "logs") return;
    timer.current ||= setTimeout(() => { timer.current = 0; set((n) => n + 1); }, 1000);
  }, on);
  return arrivals + useTick(30_000, on) * 1e6;
}

function List({ list, id, index, setAtTop }) {
  const [showing, set] = useState(index);
  useEffect(() => set(index), [id]);
  if (list.error && !list.rows) return html`<div class="trace-list"><${Failure} error=${list.error} /></div>`;
  if (!list.rows) return html`<div class="trace-list"><${Loading} what="Reading traces" /></div>`;
  if (!list.rows.length) {
    return html`<div class="trace-list"><${Empty} title="No trace matches">Take a filter away, or look at a longer time. <button type="button" onClick=${() => go(link("traces", id, { range: "all" }))}>Clear all filters</button><//></div>`;
  }
  if (!id) {
    return html`<${VirtualList} key="table" class="trace-list table" list=${list} rowHeight=${TABLE_ROW} label="Traces" onTop=${setAtTop} head=${TABLE_HEAD}
      render=${(row) => html`<${TableRow} row=${row} />`} />`;
  }
  return html`<${VirtualList} key="list" class="trace-list" list=${list} rowHeight=${ROW} current=${showing} label="Traces" onTop=${setAtTop}
    render=${(row) => html`<${TraceRow} row=${row} chosen=${row.trace_id === id} />`} />`;
}

const tasks = signal(new Map());

/** What the sessions of the listed traces are about: their tasks name a trace better than its root. */
function useTasks(rows, again) {
  const from = rows?.length ? Math.floor(Math.min(...rows.map((row) => row.start_ms)) / 60_000) * 60_000 : null;
  const { data } = useAnswer(from === null ? null : "sessions", { from, limit: 500 }, again);
  useEffect(() => {
    if (data) tasks.value = new Map([...tasks.value, ...data.sessions.filter((one) => one.task).map((one) => [one.session_id, one.task])]);
  }, [data]);
}

function title(row) {
  if (!row.name) return "root not seen yet";
  return row.name.startsWith("alex.session.") ? tasks.value.get(row.session_id) ?? row.agent ?? row.session_id ?? row.name : row.name;
}

const TABLE_HEAD = html`<div class="table-head"><span>Trace</span><span>Status</span><span>Model</span><span>Service</span><span class="right">Spans</span>
  <span class="right">Tokens</span><span class="right">Cost</span><span class="right">Duration</span><span class="right">Started</span></div>`;

/** Errors inside a trace that as a whole has gone well. */
const Errors = ({ row }) => row.errors && row.status !== "error" ? html` <span class="flag" title=${plural(row.errors, "error")}>${compact(row.errors)}</span>` : null;

const rowLink = (row) => link("traces", row.trace_id, { ...current(), span: null });
const cost = (row) => row.llm_calls || row.cost_usd !== null ? html`<${Cost} value=${row.cost_usd} unpriced=${row.unpriced_calls} calls=${row.llm_calls} />` : html`<span class="none">–</span>`;

const TableRow = ({ row }) => html`<a class="table-row" href=${rowLink(row)} data-trace=${row.trace_id}>
  <span class="cell-name"><${KindDot} kind=${row.kind ?? "span"} /><bdi class="strong">${line(title(row), 90)}</bdi><span class="faint mono">${shortId(row.trace_id)}</span></span>
  <span><${Status} status=${row.status} /><${Errors} row=${row} /></span><bdi>${row.model ? line(row.model, 40) : "–"}</bdi><bdi class="faint">${line(row.service ?? "–", 40)}</bdi>
  <span class="num right">${compact(row.spans)}</span><span class="right"><${Tokens} input=${row.input_tokens} output=${row.output_tokens} /></span>
  <span class="right">${cost(row)}</span><span class="num right">${row.duration_ms === null ? "running" : duration(row.duration_ms)}</span>
  <span class="num right faint" title=${moment(row.start_ms)}>${ago(row.start_ms)}</span></a>`;

function TraceRow({ row, chosen }) {
  return html`<a class=${`trace-row ${chosen ? "chosen" : ""}`} aria-current=${chosen ? "true" : undefined} href=${rowLink(row)} data-trace=${row.trace_id}>
    <span class="trace-row-top"><${KindDot} kind=${row.kind ?? "span"} /><bdi class="grow strong">${line(title(row), 90)}</bdi>
      ${row.status !== "success" ? html`<${Status} status=${row.status} />` : html`<${Errors} row=${row} />`}<span class="num faint when" title=${clock(row.start_ms, true)}>${ago(row.start_ms)}</span></span>
    <span class="trace-row-rest faint"><bdi class="grow">${row.model ? line(row.model, 40) : line(row.service ?? shortId(row.trace_id), 40)}</bdi>
      <span class="num" title=${plural(row.spans, "span")}>${cost(row)}</span>
      <span class="num c-duration">${row.duration_ms === null ? "running" : duration(row.duration_ms)}</span></span>
  </a>`;
}

function Trace({ trace, step }) {
  const wanted = param("span");
  const t = trace.tree;
  const [selected, set] = useState(wanted ?? t.columns.span_id[t.order[0]] ?? null);
  useEffect(() => { if (wanted && wanted !== selected) set(wanted); }, [wanted]);
  // The URL follows when the selection rests: browsers refuse hundreds of changes in a row.
  useEffect(() => {
    if (!wanted || !selected || wanted === selected) return undefined;
    const timer = setTimeout(() => update({ span: selected }, { replace: true }), 150);
    return () => clearTimeout(timer);
  }, [selected]);
  const open = useCallback(() => update({ span: selected }), [selected]);
  const byMouse = useRef(false);
  const at = t.columns.span_id.indexOf(selected);
  return html`<div class="trace-main" onPointerDown=${() => { byMouse.current = true; }} onKeyDown=${() => { byMouse.current = false; }}>
      <${Summary} trace=${trace} />
      <${Waterfall} trace=${trace} selected=${selected} select=${(id) => { set(id); if (byMouse.current && !wanted) update({ span: id }); }} open=${open} step=${step} />
    </div>
    ${wanted && at >= 0 ? html`<${Inspector} traceId=${trace.id} spanId=${selected} status=${t.columns.status[at]} close=${() => update({ span: null })} />`
      : wanted ? html`<aside class="inspector"><${Empty} title="This span is not here">The trace has no span <code>${line(wanted, 40)}</code>. It may still be on its way.<//></aside>` : null}`;
}

function Summary({ trace }) {
  const { tree: t, about } = trace;
  const roots = [];
  for (let p = 0; p < t.size; p = t.end[p]) roots.push(t.order[p]);
  const total = (name) => roots.reduce((sum, i) => sum + t.sum[name][i], 0);
  const unpriced = total("unpriced");
  const errors = total("errors");
  const last = roots.reduce((most, i) => Math.max(most, t.sum.latest[i]), 0);
  const running = t.columns.status.includes("running");
  return html`<header class="summary">
    <div class="summary-title"><h2><bdi>${line(title(about), 100)}</bdi></h2><${Status} status=${running ? "running" : about.status} />
      ${about.session_id ? html`<a class="go" href=${link("sessions", about.session_id)}>session <bdi>${line(about.session_id, 22)}</bdi></a>` : null}
      <a class="go" href=${link("logs", null, { trace: trace.id, range: "all" })}>logs</a></div>
    <dl><div><dt>duration</dt><dd class="num">${duration(last - Math.min(0, ...roots.map((i) => t.start[i])))}</dd></div>
      <div><dt>spans</dt><dd class="num">${compact(t.size)}</dd></div>
      <div><dt>LLM calls</dt><dd class="num">${compact(total("llm"))}</dd></div>
      <div><dt>tokens</dt><dd class="num">${compact(total("input") + total("output"))}</dd></div>
      <div><dt>cost</dt><dd><${Cost} value=${total("priced") ? total("cost") : null} unpriced=${unpriced} /></dd></div>
      <div><dt>errors</dt><dd class=${`num ${errors ? "error-text" : ""}`}>${errors}</dd></div></dl>
    ${t.size >= MOST_SPANS ? html`<p class="stale">The first ${compact(t.size)} of ${compact(about.spans)} spans are shown.</p>` : null}
  </header>`;
}
