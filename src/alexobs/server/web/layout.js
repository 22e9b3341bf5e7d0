// A trace as rows. Pure: columns in, order, depth, totals and visible rows out.
// Everything is linear in the number of spans and works on typed arrays.

export const KINDS = ["session", "iteration", "llm", "embedding", "tool", "span"];
export const FOLD_FROM = 5;
const SPAN = KINDS.length - 1;
const kindOf = new Map(KINDS.map((kind, index) => [kind, index]));

/** Columns as the server sends them, for joining pages of one trace. */
export function joined(parts) {
  const columns = {};
  for (const name of Object.keys(parts[0]?.columns ?? {})) {
    columns[name] = parts.length === 1
      ? parts[0].columns[name] : [].concat(...parts.map((part) => part.columns[name]));
  }
  return columns;
}

/**
 * The tree of a trace. Spans whose parent is missing are roots, and so is one span of every cycle.
 * `order` lists spans as they are shown (depth first, siblings by start); `end[i]` is the position
 * in `order` behind the last descendant of the span at position i.
 */
export function tree(columns) {
  const size = columns.span_id.length;
  const parent = parents(columns.span_id, columns.parent_span_id);
  const start = Float64Array.from(columns.start_ms);
  const { first, next, roots } = children(parent, start);
  const order = new Int32Array(size);
  const depth = new Int32Array(size);
  const seen = new Uint8Array(size);
  let position = 0;
  const walk = (root) => {
    let span = root;
    while (span !== -1) {
      seen[span] = 1;
      depth[span] = span === root ? 0 : depth[parent[span]] + 1;
      order[position++] = span;
      if (first[span] !== -1) { span = first[span]; continue; }
      while (span !== root && next[span] === -1) span = parent[span];
      span = span === root ? -1 : next[span];
    }
  };
  roots.forEach(walk);
  for (let span = 0; span < size; span++) {
    if (!seen[span]) { cut(span, parent, first, next); walk(span); }
  }
  return { size, columns, parent, order, depth, start, kind: kinds(columns.kind), ...totals(columns, order, depth) };
}

function parents(ids, parentIds) {
  const index = new Map();
  for (let i = 0; i < ids.length; i++) if (!index.has(ids[i])) index.set(ids[i], i);
  const parent = new Int32Array(ids.length).fill(-1);
  for (let i = 0; i < ids.length; i++) {
    const at = parentIds[i] === null ? undefined : index.get(parentIds[i]);
    if (at !== undefined && at !== i) parent[i] = at;
  }
  return parent;
}

/** Linked lists of children, each by start; the server sends spans by start, so mostly no sorting. */
function children(parent, start) {
  const size = parent.length;
  const first = new Int32Array(size).fill(-1);
  const next = new Int32Array(size).fill(-1);
  const roots = [];
  let byStart = Int32Array.from({ length: size }, (_, i) => i);
  if (!ascending(start)) byStart = byStart.sort((a, b) => start[a] - start[b] || a - b);
  for (let i = size - 1; i >= 0; i--) {
    const span = byStart[i];
    if (parent[span] === -1) roots.push(span);
    else { next[span] = first[parent[span]]; first[parent[span]] = span; }
  }
  return { first, next, roots: roots.reverse() };
}

function ascending(values) {
  for (let i = 1; i < values.length; i++) if (values[i] < values[i - 1]) return false;
  return true;
}

/** Break a cycle: take the span out of its parent's children, which makes it a root. */
function cut(span, parent, first, next) {
  const above = parent[span];
  if (first[above] === span) first[above] = next[span];
  else {
    let before = first[above];
    while (next[before] !== span) before = next[before];
    next[before] = next[span];
  }
  next[span] = -1;
  parent[span] = -1;
}

const kinds = (names) => Uint8Array.from(names, (name) => kindOf.get(name) ?? SPAN);

/** Subtree totals, in one pass from the last row to the first. */
function totals(columns, order, depth) {
  const size = order.length;
  const end = new Int32Array(size);
  const sum = {
    input: new Float64Array(size), output: new Float64Array(size), cost: new Float64Array(size),
    priced: new Int32Array(size), unpriced: new Int32Array(size), errors: new Int32Array(size),
    llm: new Int32Array(size), latest: new Float64Array(size),
  };
  const open = []; // positions whose parent's row is still to come, deepest last
  for (let position = size - 1; position >= 0; position--) {
    const span = order[position];
    own(columns, span, sum);
    end[position] = position + 1;
    while (open.length && depth[order[open.at(-1)]] > depth[span]) {
      const child = open.pop();
      end[position] = Math.max(end[position], end[child]);
      for (const name of ["input", "output", "cost", "priced", "unpriced", "errors", "llm"]) {
        sum[name][span] += sum[name][order[child]];
      }
      sum.latest[span] = Math.max(sum.latest[span], sum.latest[order[child]]);
    }
    open.push(position);
  }
  return { end, sum };
}

function own(columns, span, sum) {
  const cost = columns.cost_usd[span];
  const isLlm = columns.kind[span] === "llm" || columns.kind[span] === "embedding";
  sum.input[span] = columns.input_tokens[span] ?? 0;
  sum.output[span] = columns.output_tokens[span] ?? 0;
  sum.cost[span] = cost ?? 0;
  sum.priced[span] = cost === null ? 0 : 1;
  sum.unpriced[span] = columns.unpriced[span] ? 1 : 0;
  sum.errors[span] = columns.status[span] === "error" ? 1 : 0;
  sum.llm[span] = isLlm ? 1 : 0;
  sum.latest[span] = columns.start_ms[span] + (columns.duration_ms[span] ?? 0);
}

/** What must be equal for siblings to fold into one row: they are leaves and look the same. */
function face(t, span) {
  const { name, kind, model, tool, status } = t.columns;
  return `${name[span]}\u0000${kind[span]}\u0000${model[span]}\u0000${tool[span]}\u0000${status[span]}`;
}

/**
 * Rows that are visible, given the ids of collapsed spans and of folds that are opened.
 * A row is {span, position, fold}; `fold` is how many spans it stands for (0: itself alone).
 */
export function rows(t, collapsed = new Set(), unfolded = new Set()) {
  const visible = [];
  const ids = t.columns.span_id;
  for (let position = 0; position < t.size;) {
    const span = t.order[position];
    const run = leafRun(t, position);
    if (run >= FOLD_FROM) {
      const opened = unfolded.has(ids[span]);
      visible.push({ span, position, fold: run, opened });
      for (let i = 0; opened && i < run; i++) {
        visible.push({ span: t.order[position + i], position: position + i, fold: 0, inFold: true });
      }
      position += run;
      continue;
    }
    visible.push({ span, position, fold: 0 });
    position = collapsed.has(ids[span]) ? t.end[position] : position + 1;
  }
  return visible;
}

/** How many siblings from here on are leaves that look the same. */
function leafRun(t, position) {
  const span = t.order[position];
  if (t.end[position] !== position + 1) return 1;
  const parent = t.parent[span];
  let run = 1;
  let mine = null;
  while (position + run < t.size) {
    const other = t.order[position + run];
    if (t.parent[other] !== parent || t.end[position + run] !== position + run + 1) break;
    if (t.columns.name[other] !== t.columns.name[span]) break;
    mine ??= face(t, span);
    if (face(t, other) !== mine) break;
    run++;
  }
  return run;
}

/** The extent of a trace: start, and length in ms; what runs is taken to last until `now`. */
export function extent(t, now) {
  let start = Infinity;
  let end = -Infinity;
  for (let i = 0; i < t.size; i++) {
    const duration = t.columns.duration_ms[i];
    start = Math.min(start, t.start[i]);
    end = Math.max(end, duration === null ? Math.max(now, t.start[i]) : t.start[i] + duration);
  }
  return t.size ? { start, length: Math.max(end - start, 0.001) } : { start: 0, length: 1 };
}

/** Round numbers for the time axis: at most `most` marks over `length` ms. */
export function marks(length, most = 6) {
  const raw = length / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const found = [];
  for (let i = 0; i * step <= length; i++) found.push(i * step);
  return found;
}

/** The rows that a viewport shows, with a few beyond each edge. */
export function slice(total, scrollTop, height, rowHeight, beyond = 8) {
  const from = Math.max(0, Math.floor(scrollTop / rowHeight) - beyond);
  return { from, to: Math.min(total, Math.ceil((scrollTop + height) / rowHeight) + beyond) };
}
