// A trace as rows over time. Rows are of one height, and only those in view exist.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./html.js";
import { KINDS, extent, marks, rows, slice } from "./layout.js";
import { compact, count, duration, plural, usd, visible } from "./format.js";
import { KindDot, reveal, useViewport } from "./parts.js";
import { useKeys } from "./keys.js";

const ROW = 28;
const HEAD = 30;
const INDENT = 14;
const MOST_INDENT = 168;
const SLOTS = 211; // rows that scroll out are used again for those that scroll in; more than any screen shows

/** What a row is called: by model, tool or iteration where these say more than the span's name. */
export function label({ columns }, span) {
  const kind = columns.kind[span];
  const name = visible(columns.name[span]);
  const own = name.startsWith("alex.");
  if (kind === "tool" && columns.tool[span]) return { main: visible(columns.tool[span]), rest: own ? "" : name };
  if ((kind === "llm" || kind === "embedding") && columns.model[span]) return { main: visible(columns.model[span]), rest: own ? "" : name };
  if (kind === "iteration" && columns.iteration[span] !== null && own) return { main: `iteration ${columns.iteration[span]}`, rest: "" };
  if (kind === "session" && own) return { main: visible(columns.agent[span] ?? "session"), rest: name.replace("alex.session.", "") };
  return { main: name, rest: "" };
}

function toggled(set, id) {
  const next = new Set(set);
  if (!next.delete(id)) next.add(id);
  return next;
}

export function Waterfall({ trace, selected, select, open, step }) {
  const t = trace.tree;
  const [collapsed, setCollapsed] = useState(new Set());
  const [unfolded, setUnfolded] = useState(new Set());
  const shown = useMemo(() => rows(t, collapsed, unfolded), [t, collapsed, unfolded]);
  const running = useMemo(() => t.columns.duration_ms.includes(null), [t]);
  const now = useNow(running) - trace.about.start_ms;
  const span = useMemo(() => extent(t, running ? now : 0), [t, running && now]);
  const at = useMemo(() => shown.findIndex((row) => t.columns.span_id[row.span] === selected && !(row.fold && row.opened)), [shown, selected]);
  const { box, top, height } = useViewport(ROW);
  useLayoutEffect(() => { if (at >= 0) reveal(box.current, at, ROW, HEAD); }, [at, trace.id]);
  useEffect(() => { box.current?.focus({ preventScroll: true }); }, [trace.id]);
  useHiddenAncestors(t, selected, at, setCollapsed, setUnfolded);

  const pick = (index) => {
    const row = shown[Math.max(0, Math.min(shown.length - 1, index))];
    if (row) select(t.columns.span_id[row.span]);
  };
  const toggle = (row) => {
    const id = t.columns.span_id[row.span];
    if (row.fold) setUnfolded((old) => toggled(old, id));
    else if (t.end[row.position] > row.position + 1) setCollapsed((old) => toggled(old, id));
  };
  const page = Math.max(1, Math.floor((height - HEAD) / ROW) - 1);
  const down = () => pick(at + 1);
  const up = () => pick(at < 0 ? 0 : at - 1);
  useKeys({
    j: down, ArrowDown: down, k: up, ArrowUp: up,
    f: () => pick(at + page), PageDown: () => pick(at + page), b: () => pick(at - page), PageUp: () => pick(at - page),
    g: () => pick(0), Home: () => pick(0), G: () => pick(shown.length - 1), End: () => pick(shown.length - 1),
    ArrowRight: () => { const row = shown[at]; if (row && isClosed(t, row, collapsed)) toggle(row); else down(); },
    ArrowLeft: () => {
      const row = shown[at];
      if (!row) return;
      const opened = row.fold ? row.opened : t.end[row.position] > row.position + 1 && !collapsed.has(t.columns.span_id[row.span]);
      if (opened) toggle(row);
      else if (t.parent[row.span] !== -1) select(t.columns.span_id[t.parent[row.span]]);
    },
    Enter: () => { const row = shown[at]; if (row?.fold) toggle(row); else open(); },
    e: () => pick(nextError(t, shown, at, 1)), E: () => pick(nextError(t, shown, at, -1)),
    "]": () => step(1), "[": () => step(-1),
  });
  const { from, to } = slice(shown.length, Math.max(0, top), height, ROW);
  return html`<div class="waterfall" ref=${box} role="tree" tabindex="0" aria-label="Spans of the trace" aria-activedescendant=${at >= 0 ? `row-${at}` : undefined}>
    <${Axis} length=${span.length} />
    <div class="rows" style=${{ height: `${shown.length * ROW}px` }}>
      ${shown.slice(from, to).map((row, i) => html`<${Row} key=${(from + i) % SLOTS} id=${`row-${from + i}`} t=${t} row=${row}
        y=${(from + i) * ROW} span=${span} now=${now} closed=${isClosed(t, row, collapsed)} current=${from + i === at}
        pick=${() => { select(t.columns.span_id[row.span]); if (row.fold) toggle(row); }} toggle=${() => toggle(row)} />`)}
    </div>
  </div>`;
}

const isClosed = (t, row, collapsed) => row.fold ? !row.opened
  : t.end[row.position] > row.position + 1 && collapsed.has(t.columns.span_id[row.span]);

/** The next row with an error of its own, or folded or collapsed onto it. */
function nextError(t, shown, at, way) {
  for (let i = at + way; i >= 0 && i < shown.length; i += way) {
    if (t.columns.status[shown[i].span] === "error") return i;
  }
  return Math.max(at, 0);
}

/** A link to a span that is folded or collapsed away opens what hides it. */
function useHiddenAncestors(t, selected, at, setCollapsed, setUnfolded) {
  const done = useRef(null);
  useEffect(() => {
    if (!selected || at >= 0 || done.current === selected) return;
    done.current = selected;
    const ids = t.columns.span_id;
    let span = ids.indexOf(selected);
    if (span === -1) return;
    const above = new Set();
    for (let p = t.parent[span]; p !== -1; p = t.parent[p]) above.add(ids[p]);
    setCollapsed((old) => new Set([...old].filter((id) => !above.has(id))));
    const siblings = rows(t).filter((row) => row.fold && t.parent[row.span] === t.parent[span]);
    setUnfolded((old) => new Set([...old, ...siblings.map((row) => ids[row.span])]));
  }, [selected, at, t]);
}

/** The present, moving once a second while something runs. */
function useNow(running) {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    if (!running) return undefined;
    const timer = setInterval(() => set(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [running]);
  return now;
}

const Axis = ({ length }) => html`<div class="wf-head" aria-hidden="true">
  <span class="wf-name">Span</span><span class="wf-tokens">Tokens</span><span class="wf-cost">Cost</span>
  <span class="wf-time">${marks(length, 5).filter((mark) => mark < length * 0.86).map((mark) => html`<span class="mark num" style=${{ left: `${(mark / length) * 100}%` }}>${mark === 0 ? "0" : duration(mark)}</span>`)}</span>
</div>`;

function Row({ id, t, row, y, span, now, closed, current, pick, toggle }) {
  const { columns, sum } = t;
  const i = row.span;
  const depth = t.depth[i];
  const branch = row.fold > 0 || t.end[row.position] > row.position + 1;
  const whole = closed && !row.fold;
  const text = label(t, i);
  const status = columns.status[i];
  const shown = row.fold ? folded(t, row) : figures(t, i, whole);
  const error = status === "error";
  const indent = Math.min((depth + (row.inFold ? 1 : 0)) * INDENT, MOST_INDENT);
  return html`<div id=${id} class=${`wf-row ${current ? "current" : ""} ${error ? "has-error" : ""} ${row.fold ? "is-fold" : ""}`} role="treeitem"
    aria-selected=${current} aria-level=${depth + 1} aria-expanded=${branch ? !closed : undefined} style=${{ transform: `translateY(${y}px)` }} onClick=${pick} data-span=${columns.span_id[i]}>
    <span class="wf-name" style=${{ paddingLeft: `${8 + indent}px` }} title=${`${visible(columns.name[i])}${columns.error[i] ? `\n${visible(columns.error[i])}` : ""}`}>
      ${branch ? html`<button type="button" class=${`twist ${closed ? "" : "opened"}`} tabindex="-1" aria-label=${closed ? "Expand" : "Collapse"} onClick=${(event) => { event.stopPropagation(); toggle(); }}></button>` : html`<span class="twist-space"></span>`}
      <${KindDot} kind=${KINDS[t.kind[i]]} />
      ${row.fold ? html`<b class="times num">${count(row.fold)}×</b>` : null}
      <bdi class="main">${text.main}</bdi>${text.rest ? html`<bdi class="rest">${text.rest}</bdi>` : null}
      ${error ? html`<span class="flag" aria-label="error">!</span>` : null}
      ${whole && sum.errors[i] && !error ? html`<span class="flag" title=${plural(sum.errors[i], "error")}>${sum.errors[i]}</span>` : null}
      ${whole ? html`<span class="hidden-count num">+${compact(t.end[row.position] - row.position - 1)}</span>` : null}
    </span>
    <span class=${`wf-tokens num ${shown.total ? "total" : ""}`} title=${shown.total ? "With everything below" : undefined}>${shown.tokens}</span>
    <span class=${`wf-cost num ${shown.total ? "total" : ""}`}>${shown.cost}</span>
    <span class="wf-time"><${Bar} t=${t} row=${row} span=${span} now=${now} error=${error} /></span>
  </div>`;
}

/** Tokens and cost of a row: its own; with everything below when it is collapsed or has none itself. */
function figures(t, i, whole) {
  const { columns, sum } = t;
  const own = columns.input_tokens[i] !== null || columns.cost_usd[i] !== null || columns.unpriced[i];
  const total = whole || !own;
  if (total) return { total, ...amounts(sum.input[i] + sum.output[i], sum.cost[i], sum.priced[i], sum.unpriced[i]) };
  return { total, ...amounts((columns.input_tokens[i] ?? 0) + (columns.output_tokens[i] ?? 0), columns.cost_usd[i] ?? 0, columns.cost_usd[i] === null ? 0 : 1, columns.unpriced[i] ? 1 : 0) };
}

function folded(t, row) {
  const all = { tokens: 0, cost: 0, priced: 0, unpriced: 0 };
  for (let p = row.position; p < row.position + row.fold; p++) {
    const i = t.order[p];
    all.tokens += t.sum.input[i] + t.sum.output[i];
    all.cost += t.sum.cost[i];
    all.priced += t.sum.priced[i];
    all.unpriced += t.sum.unpriced[i];
  }
  return { total: true, ...amounts(all.tokens, all.cost, all.priced, all.unpriced) };
}

function amounts(tokens, cost, priced, unpriced) {
  const money = priced ? usd(cost) : "";
  return {
    tokens: tokens ? compact(tokens) : "",
    cost: unpriced ? html`${money}<span class="unpriced" title=${`${plural(unpriced, "call")} without a known price`}>${priced ? "+?" : "unpriced"}</span>` : money,
  };
}

function Bar({ t, row, span, now, error }) {
  const { columns } = t;
  let start = t.start[row.span];
  let length = columns.duration_ms[row.span];
  if (row.fold) {
    const lastSpan = t.order[row.position + row.fold - 1];
    length = t.start[lastSpan] + (columns.duration_ms[lastSpan] ?? 0) - start;
  }
  const open = length === null;
  if (open) length = Math.max(now - start, 0);
  const left = ((start - span.start) / span.length) * 100;
  const width = (length / span.length) * 100;
  const ttft = columns.ttft_ms[row.span];
  const text = open ? `${duration(length)} …` : duration(length);
  const before = left + width > 72;
  const soft = KINDS[t.kind[row.span]] === "session" || KINDS[t.kind[row.span]] === "iteration" || open;
  return html`<span class=${`bar kind-${KINDS[t.kind[row.span]]} ${error ? "bar-error" : ""} ${open ? "bar-open" : ""} ${row.fold ? "bar-fold" : ""}`}
      style=${{ left: `${left}%`, width: `max(${width}%, 2px)` }}>${ttft && length && !row.fold
        ? html`<span class="ttft" style=${{ left: `${Math.min(ttft / length, 1) * 100}%` }}></span>` : null}</span>
    <span class=${`bar-text num ${before && left > 18 ? "before" : before ? `inside ${soft ? "on-soft" : ""}` : ""}`}
      style=${before && left > 18 ? { right: `${100 - left}%` } : before ? { left: `${left}%` } : { left: `${left + width}%` }}>${text}</span>`;
}
