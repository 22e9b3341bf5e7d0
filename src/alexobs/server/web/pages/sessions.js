// Sessions: the list, and one session as the conversation that it was.
import { html, useEffect, useMemo, useRef, useState } from "../html.js";
import { ago, clock, compact, count, duration, line, moment, plural } from "../format.js";
import { bounds, current, go, link, param, paramAll, paused, range, resumed, route, update } from "../state.js";
import { BUCKETS, Cost, Empty, Failure, FirstSteps, KindDot, LiveSwitch, Loading, PageHead, Range, Search, Status, TokenBar, Tokens, useFacets } from "../parts.js";
import { pages, segment, useLive, useTick } from "../api.js";
import { useKeys } from "../keys.js";
import { VirtualList, useList } from "../lists.js";
import { Conversation } from "../conversation.js";
import { Value } from "../json.js";
import { Graph } from "../graph.js";

const FACETS = [["status", "Status"], ["service", "Service"], ["agent", "Agent"], ["user", "User"]];
const ROW = 46;
const LONG_IDLE_MS = 5000;

export const Sessions = () => route.value.id ? html`<${Session} key=${route.value.id} id=${route.value.id} />` : html`<${List} />`;

function asked() {
  return { ...bounds(), ...Object.fromEntries(FACETS.map(([name]) => [name, paramAll(name)])), q: param("q"), sort: param("sort"), limit: 100 };
}

function List() {
  const [atTop, setAtTop] = useState(true);
  const again = useTick(5000, atTop && !paused.value && !range.value.from);
  const facets = useFacets(FACETS);
  const list = useList("sessions", "sessions", asked(), again, (row) => row.session_id);
  const [at, setAt] = useState(-1);
  const move = (by) => setAt((old) => Math.max(0, Math.min((list.rows?.length ?? 1) - 1, old + by)));
  useKeys({ j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1), Enter: () => list.rows?.[at] && go(link("sessions", list.rows[at].session_id)) });
  const filtered = FACETS.some(([name]) => paramAll(name).length) || param("q") || range.value.from;
  const body = !list.rows ? list.error ? html`<${Failure} error=${list.error} />` : html`<${Loading} what="Reading sessions" />`
    : list.rows.length ? html`<${VirtualList} class="table session-table" list=${list} rowHeight=${ROW} label="Sessions" onTop=${setAtTop} current=${at} head=${HEAD} render=${(row, i) => html`<${SessionRow} row=${row} chosen=${i === at} />`} />`
      : filtered ? html`<${Empty} title="No session matches">Take a filter away, or look at a longer time. <button type="button" onClick=${() => go(link("sessions", null, { range: "all" }))}>Clear all filters</button><//>`
        : html`<${FirstSteps} what="sessions in this time" />`;
  return html`<${PageHead} title="Sessions"><${Search} placeholder="Search tasks and ids" />${facets}<${Range} /><${LiveSwitch} /><//>${body}`;
}

const HEAD = html`<div class="table-head"><span>Task</span><span>Status</span><span>Agent</span><span>Model</span><span class="right">Calls</span>
  <span class="right">Tokens</span><span class="right">Cost</span><span class="right">Duration</span><span class="right">Started</span></div>`;

const SessionRow = ({ row, chosen }) => html`<a class=${`table-row ${chosen ? "chosen" : ""}`} href=${link("sessions", row.session_id)} data-session=${row.session_id}>
  <span class="two-lines"><bdi class="strong">${line(row.task ?? row.agent ?? row.session_id, 140)}</bdi><span class="faint mono">${line(row.session_id, 40)}</span></span>
  <span><${Status} status=${row.status} /></span><bdi>${line(row.agent ?? "–", 40)}</bdi><bdi>${line(row.model ?? "–", 40)}</bdi>
  <span class="num right" title=${`${plural(row.llm_calls, "LLM call")}, ${plural(row.tool_calls, "tool call")}`}>${compact(row.llm_calls)} + ${compact(row.tool_calls)}</span>
  <span class="right"><${Tokens} input=${row.input_tokens} output=${row.output_tokens} /></span>
  <span class="right"><${Cost} value=${row.cost_usd} unpriced=${row.unpriced_calls} calls=${row.llm_calls} /></span>
  <span class="num right">${row.status === "running" ? "running" : duration(row.duration_ms)}</span><span class="num right faint" title=${moment(row.start_ms)}>${ago(row.start_ms)}</span></a>`;

/** All turns of a session, read again when something of it was committed. */
function useSession(id) {
  const [state, set] = useState({ session: null, turns: [], error: null });
  const [turn, again] = useState(0);
  const timer = useRef(0);
  useLive({ session: id }, (type) => { if (type !== "logs") timer.current ||= setTimeout(() => { timer.current = 0; again((n) => n + 1); }, 500); }, !paused.value);
  useEffect(() => {
    const aborter = new AbortController();
    const read = { session: null, turns: [], error: null };
    pages(`sessions/${segment(id)}`, { limit: 1000 }, (page) => { read.session ??= page.session; read.turns.push(...page.turns); }, aborter.signal)
      .then(() => set(read), (error) => error.name !== "AbortError" && set((old) => ({ ...old, error })));
    return () => aborter.abort();
  }, [id, turn, resumed.value]);
  return { ...state, retry: () => again((n) => n + 1) };
}

function Session({ id }) {
  const { session, turns, error, retry } = useSession(id);
  const [view, setView] = [param("view", "turns"), (name) => update({ view: name === "turns" ? null : name })];
  useKeys({ Escape: () => go(link("sessions")) });
  const end = useRef(null);
  const follows = useFollow(end, turns.length, session?.status === "running");
  if (error && !session) return html`<${PageHead} title="Session" /><${Failure} error=${error} retry=${retry} />`;
  if (!session) return html`<${PageHead} title="Session" /><${Loading} what="Reading the session" />`;
  return html`<${PageHead} title=${html`<a class="up" href=${link("sessions")}>Sessions</a> / <bdi>${line(session.task ?? session.agent ?? session.session_id, 80)}</bdi>`}>
      <div class="switch" role="group" aria-label="View"><button type="button" aria-pressed=${view === "turns"} onClick=${() => setView("turns")}>Conversation</button><button type="button" aria-pressed=${view === "graph"} onClick=${() => setView("graph")}>Graph</button></div>
      <a class="button" href=${link("traces", null, { session: id, range: "all" })}>Traces</a><a class="button" href=${link("logs", null, { session: id, range: "all" })}>Logs</a><${LiveSwitch} /><//>
    <div class="session-page">
      <${Facts} session=${session} turns=${turns} />
      ${view === "graph" ? html`<${Graph} turns=${turns} session=${session} />` : html`<div class="turns">
        ${turns.map((one, i) => html`<${Turn} key=${one.span_id} turn=${one} number=${i + 1} />`)}
        ${turns.length ? null : html`<${Empty} title="No calls yet">The session has begun; its first LLM or tool call will show here.<//>`}
        ${session.status === "running" ? html`<p class="faint going"><span class="spinner"></span>The session goes on${follows ? "" : ". New turns are below"}.</p>` : null}
        <div ref=${end}></div></div>`}
    </div>`;
}

/** Keep the end in view as turns arrive, but only for a reader who is there already. */
function useFollow(end, size, running) {
  const [follows, set] = useState(false);
  useEffect(() => {
    if (!end.current) return undefined;
    const observer = new IntersectionObserver(([entry]) => set(entry.isIntersecting));
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [end.current]);
  useEffect(() => { if (follows && running) end.current?.scrollIntoView({ block: "end" }); }, [size]);
  return follows;
}

function Facts({ session, turns }) {
  const tokens = useMemo(() => Object.fromEntries(BUCKETS.map(([name]) => [name, turns.reduce((sum, one) => sum + (one.tokens[name] ?? 0), 0)])), [turns]);
  const idle = turns.reduce((sum, one) => sum + one.idle_ms, 0);
  return html`<aside class="session-facts"><${Status} status=${session.status} />
    <dl>${[["Duration", duration(session.duration_ms)], ["of it idle", duration(idle)], ["LLM calls", count(session.llm_calls)], ["Tool calls", count(session.tool_calls)]]
      .map(([name, value]) => html`<div><dt>${name}</dt><dd class="num">${value}</dd></div>`)}
      <div><dt>Errors</dt><dd class=${`num ${session.errors ? "error-text" : ""}`}>${session.errors ? html`<a href=${link("traces", null, { session: session.session_id, status: "error", range: "all" })}>${count(session.errors)}</a>` : "0"}</dd></div>
      <div><dt>Cost</dt><dd><a class="go" href=${link("traces", null, { session: session.session_id, sort: "cost", range: "all" })}><${Cost} value=${session.cost_usd} unpriced=${session.unpriced_calls} calls=${session.llm_calls} /></a></dd></div>
      <div><dt>Started</dt><dd class="num">${moment(session.start_ms)}</dd></div>
      ${[["Agent", session.agent], ["User", session.user_id], ["Service", session.service], ["Model", session.model]].map(([name, value]) => value ? html`<div><dt>${name}</dt><dd><bdi>${line(value, 60)}</bdi></dd></div>` : null)}
      <div><dt>Id</dt><dd class="mono"><bdi>${line(session.session_id, 60)}</bdi></dd></div></dl>
    <${TokenBar} tokens=${tokens} /></aside>`;
}

const bare = (value) => value === null || ["", "{}", "null"].includes(typeof value === "string" ? value.trim() : JSON.stringify(value));

function Turn({ turn, number }) {
  const llm = turn.kind !== "tool";
  const input = Object.values(turn.tokens).slice(0, 3).reduce((sum, n) => sum + (n ?? 0), 0);
  const output = (turn.tokens.output ?? 0) + (turn.tokens.reasoning ?? 0);
  return html`${turn.idle_ms >= LONG_IDLE_MS ? html`<p class="gap"><span class="num">${duration(turn.idle_ms)}</span> idle</p>` : null}
    <section class=${`turn ${turn.status === "error" ? "turn-error" : ""}`} aria-label=${`Turn ${number}`}>
      <header><${KindDot} kind=${turn.kind} /><bdi class="strong">${line(turn.tool ?? turn.model ?? turn.name, 60)}</bdi>
        ${turn.iteration === null ? null : html`<span class="faint">iteration ${turn.iteration}</span>`}
        ${turn.status === "success" ? null : html`<${Status} status=${turn.status} />`}
        <span class="turn-figures num"><span title=${clock(turn.start_ms, true)}>${turn.duration_ms === null ? "running" : duration(turn.duration_ms)}</span>
          ${turn.ttft_ms === null ? null : html`<span class="faint" title="Time to first token">first ${duration(turn.ttft_ms)}</span>`}
          ${llm ? html`<${Tokens} input=${input} output=${output} />` : null}
          ${llm ? html`<${Cost} value=${turn.cost_usd} unpriced=${turn.unpriced ? 1 : 0} />` : null}
          <a class="go" href=${link("traces", turn.trace_id, { ...current(), view: null, span: turn.span_id })}>span</a></span></header>
      ${llm ? html`<${Conversation} messages=${turn.input_messages} hidden=${turn.repeated_messages} /><${Conversation} messages=${turn.output_messages.map((one) => ({ role: "assistant", ...one }))} />`
        : html`${bare(turn.tool_arguments) ? null : html`<div><span class="part-name">arguments</span><${Value} value=${turn.tool_arguments} /></div>`}
        ${turn.tool_result === null ? null : html`<div><span class="part-name">result</span><${Value} value=${turn.tool_result} /></div>`}`}
      ${turn.error ? html`<p class="fault"><b>${line(turn.error, 400)}</b></p>` : null}
    </section>`;
}
