// Log lines: search, level, and a tail that follows only at its end.
import { html, useEffect, useRef, useState } from "../html.js";
import { clock, day, line, plural, pretty, shortId, visible } from "../format.js";
import { bounds, go, link, param, paramAll, paused, range, update } from "../state.js";
import { Empty, Failure, LiveSwitch, Loading, PageHead, Range, Search, reveal, useFacets, useViewport } from "../parts.js";
import { useLive } from "../api.js";
import { useKeys } from "../keys.js";
import { useList } from "../lists.js";
import { slice } from "../layout.js";
import { Text } from "../json.js";

const LEVELS = ["debug", "info", "warn", "error"];
const ROW = 26;
const MOST = 20_000;
const SLOTS = 251; // rows are used again; more than any screen shows
const FACETS = [["service", "Service"]];

/** What the list asks for; the newest lines first, as the tail shows them from the bottom up. */
function asked() {
  return { ...bounds(), q: param("q"), level: param("level"), service: paramAll("service"), session: param("session"), trace: param("trace"), span: param("span"), limit: 300 };
}

/** Whether a line that has just come belongs to what is shown. */
export function matches(log, { q, level, service, session, trace, span }) {
  if (level && LEVELS.indexOf(log.level) < LEVELS.indexOf(level)) return false;
  if (service?.length && !service.includes(log.service)) return false;
  if ((session && log.session_id !== session) || (trace && log.trace_id !== trace) || (span && log.span_id !== span)) return false;
  return !q || `${log.body} ${JSON.stringify(log.attributes)}`.toLowerCase().includes(q.toLowerCase());
}

export function Logs() {
  const params = asked();
  const { from, to, ...filters } = params;
  const key = JSON.stringify([filters, range.value]);
  const list = useList("logs", "logs", params, key, (log) => log);
  const [fresh, setFresh] = useState({ key, logs: [] });
  useEffect(() => setFresh({ key, logs: [] }), [key, list.key]);
  const live = !paused.value && !range.value.from;
  useLive(param("trace") ? { trace: param("trace") } : param("session") ? { session: param("session") } : {}, (type, event) => {
    if (type !== "logs") return;
    const mine = event.logs.filter((log) => matches(log, filters));
    if (mine.length) setFresh((old) => ({ key, logs: [...(old.key === key ? old.logs : []), ...mine].slice(-MOST) }));
  }, live);
  const facets = useFacets(FACETS);
  const chosen = param("trace") ?? param("session");
  return html`<${PageHead} title="Logs"><${Search} placeholder="Search messages and fields" />
      <div class="switch" role="group" aria-label="Least level">${LEVELS.map((name) => html`<button type="button" aria-pressed=${(param("level") ?? "debug") === name} onClick=${() => update({ level: name === "debug" ? null : name })}>${name}</button>`)}</div>
      ${facets}<${Range} /><${LiveSwitch} /><//>
    ${chosen ? html`<p class="filter-note">${param("trace") ? "Trace" : "Session"} <bdi class="mono">${line(chosen, 60)}</bdi> <button type="button" class="quiet" onClick=${() => update({ trace: null, session: null, span: null })}>Show all</button></p>` : null}
    ${list.error && !list.rows ? html`<${Failure} error=${list.error} />` : !list.rows ? html`<${Loading} what="Reading lines" />`
      : html`<${Tail} list=${list} fresh=${fresh.key === key ? fresh.logs : []} live=${live} />`}`;
}

const id = (log) => `${log.time_ms}${log.span_id}${log.body}`;

function Tail({ list, fresh, live }) {
  const older = [...list.rows].reverse();
  const known = new Set(older.slice(-2000).map(id));
  const logs = [...older, ...fresh.filter((log) => !known.has(id(log)))];
  const [openLog, setOpen] = useState(null);
  const [follow, setFollow] = useState(true);
  const at = openLog ? logs.indexOf(openLog) : -1;
  const { box, top, height } = useViewport(ROW, logs.length > 0);
  const olderSize = useRef(older.length);
  useEffect(() => { if (follow && box.current) box.current.scrollTop = box.current.scrollHeight; }, [logs.length, follow, box.current]);
  useEffect(() => { // what comes in above must not move what is being read
    const grown = older.length - olderSize.current;
    if (grown > 0 && !follow && box.current) box.current.scrollTop += grown * ROW;
    olderSize.current = older.length;
  }, [older.length]);
  useEffect(() => { if (!follow && top < ROW * 20) list.loadMore(); }, [top, follow]);
  const onScroll = () => {
    const node = box.current;
    setFollow(node.scrollHeight - node.scrollTop - node.clientHeight < ROW);
  };
  const move = (by) => {
    const next = logs[at < 0 ? logs.length - 1 : Math.max(0, Math.min(logs.length - 1, at + by))];
    if (next) { setOpen(next); setFollow(false); reveal(box.current, logs.indexOf(next), ROW); }
  };
  useKeys({ j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1), G: () => setFollow(true), Escape: () => setOpen(null),
    Enter: () => openLog?.trace_id && go(link("traces", openLog.trace_id, { span: openLog.span_id })) });
  if (!logs.length) {
    return param("q") || param("level") || param("trace") || param("session") || paramAll("service").length
      ? html`<${Empty} title="No line matches">${live ? "New ones show here as they are written." : "The tail is paused."} <button type="button" onClick=${() => go(link("logs", null, { range: "all" }))}>Clear all filters</button><//>`
      : html`<${Empty} title="No log lines in this time yet" code=${'import alexobs\n\nobs = alexobs.init()\n\nwith obs.session("fix the bug"):\n    obs.logger.info("step done", files=3)   # carries the trace'}>Lines that are written with <code>obs.logger</code>, and those of Python's logging when it is routed through it, show here with their trace.<//>`;
  }
  const { from, to } = slice(logs.length, top, height, ROW, 20);
  return html`<div class=${`log-page ${openLog ? "with-log" : ""}`}>
    <div class="virtual logs" ref=${box} onScroll=${onScroll} role="log" aria-live="off" tabindex="0" aria-label="Log lines">
      <div class="rows" style=${{ height: `${logs.length * ROW}px` }}>${logs.slice(from, to).map((log, i) => html`<${Line} key=${(from + i) % SLOTS} log=${log} y=${(from + i) * ROW} chosen=${log === openLog} open=${() => setOpen(log === openLog ? null : log)} />`)}</div>
    </div>
    ${follow ? null : html`<button type="button" class="to-end" onClick=${() => setFollow(true)}>↓ ${live ? "Follow" : "To the end"}</button>`}
    ${openLog ? html`<${Detail} log=${openLog} close=${() => setOpen(null)} />` : null}
    <footer class="log-foot faint num">${plural(logs.length, "line")}${list.more ? ", older ones as you scroll up" : ""}${live ? follow ? " · following" : " · reading; new lines wait below" : " · paused"}</footer>
  </div>`;
}

// The ids of a run stand in the detail; in the line they would hide what the writer said.
const fields = (log) => Object.entries(log.attributes).filter(([name]) => !name.startsWith("alex.")).slice(0, 8).map(([name, value]) => html` <span class="log-field"><bdi class="faint">${line(name, 40)}=</bdi><bdi>${line(typeof value === "string" ? value : JSON.stringify(value), 80)}</bdi></span>`);

const Line = ({ log, y, chosen, open }) => html`<div class=${`log-line level-${log.level} ${chosen ? "current" : ""}`} style=${{ transform: `translateY(${y}px)` }} onClick=${open}>
  <span class="num faint" title=${day(log.time_ms)}>${clock(log.time_ms, true)}</span><b class="level">${log.level}</b><bdi class="log-service faint">${line(log.service ?? "", 30)}</bdi>
  <span class="log-body"><bdi>${line(log.body || log.event_name || "", 500)}</bdi>${fields(log)}</span>
  ${log.trace_id ? html`<a class="go mono" href=${link("traces", log.trace_id, { span: log.span_id, range: "all" })} title="To the trace" onClick=${(event) => event.stopPropagation()}>${shortId(log.trace_id)}</a>` : null}</div>`;

const Detail = ({ log, close }) => html`<aside class="log-detail" aria-label="Log line">
  <header><b class="level">${log.level}</b><span class="num">${day(log.time_ms)} ${clock(log.time_ms, true)}</span><button type="button" class="quiet" aria-label="Close" onClick=${close}>✕</button></header>
  <${Text} text=${log.body} />
  <dl class="attributes">${Object.entries({ service: log.service, scope: log.scope, event: log.event_name, session_id: log.session_id, trace_id: log.trace_id, span_id: log.span_id, ...log.attributes })
    .filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => html`<div><dt><bdi>${line(name, 80)}</bdi></dt><dd><${Text} class="attribute" text=${typeof value === "string" ? visible(value) : pretty(value)} /></dd></div>`)}</dl>
  ${log.trace_id ? html`<a class="button" href=${link("traces", log.trace_id, { span: log.span_id, range: "all" })}>Open the trace</a>` : null}</aside>`;
