import assert from "node:assert/strict";
import { test } from "node:test";
import { extent, joined, marks, rows, slice, tree } from "./web/layout.js";
import { merged } from "./web/trace.js";

const NULLS = ["error", "service", "model", "provider", "tool", "agent", "iteration", "ttft_ms", "input_tokens", "output_tokens", "cost_usd", "unpriced"];

/** Columns from short descriptions: {id, parent, at, ms, …}. */
function columns(spans) {
  const found = { span_id: [], parent_span_id: [], start_ms: [], duration_ms: [], name: [], kind: [], status: [] };
  NULLS.forEach((name) => { found[name] = []; });
  spans.forEach(({ id, parent = null, at = 0, ms = 1, name = "n", kind = "span", status = "success", ...rest }) => {
    const values = { span_id: id, parent_span_id: parent, start_ms: at, duration_ms: ms, name, kind, status, ...rest };
    Object.keys(found).forEach((key) => found[key].push(values[key] ?? null));
  });
  return found;
}

const shown = (t, ...sets) => rows(t, ...sets).map((row) => `${" ".repeat(t.depth[row.span])}${t.columns.span_id[row.span]}${row.fold ? `*${row.fold}` : ""}`);

test("spans are shown depth first, siblings by start, whatever order they come in", () => {
  const t = tree(columns([{ id: "b", parent: "r", at: 5 }, { id: "r" }, { id: "a1", parent: "a", at: 2, name: "x" }, { id: "a", parent: "r", at: 1 }]));
  assert.deepEqual(shown(t), ["r", " a", "  a1", " b"]);
  assert.deepEqual([...t.end], [4, 3, 3, 4]);
});

test("orphans are roots, and a cycle has one", () => {
  const t = tree(columns([{ id: "o", parent: "gone", at: 1 }, { id: "x", parent: "z", at: 2 }, { id: "y", parent: "x", at: 3 }, { id: "z", parent: "y", at: 4 }, { id: "s", parent: "s", at: 5 }]));
  assert.deepEqual(shown(t), ["o", "s", "x", " y", "  z"]);
});

test("every span is shown once, in any forest", () => {
  let seed = 7;
  const random = (n) => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed % n; };
  for (let round = 0; round < 200; round++) {
    const size = 1 + random(40);
    const spans = Array.from({ length: size }, (_, i) => ({ id: `s${i}`, parent: random(4) ? `s${random(size + 2)}` : null, at: random(9), name: `n${random(3)}` }));
    const t = tree(columns(spans));
    assert.deepEqual([...t.order].sort((a, b) => a - b), spans.map((_, i) => i));
    const folds = new Set(t.columns.span_id);
    assert.equal(rows(t, new Set(), folds).filter((row) => !row.fold).length, size);
    for (let p = 0; p < size; p++) { // `end` agrees with the depths
      let end = p + 1;
      while (end < size && t.depth[t.order[end]] > t.depth[t.order[p]]) end++;
      assert.equal(t.end[p], end);
    }
  }
});

test("totals add up what is below, and unknown costs stay apart", () => {
  const t = tree(columns([{ id: "r", ms: 9 }, { id: "i", parent: "r", at: 1 },
    { id: "l", parent: "i", at: 2, kind: "llm", input_tokens: 100, output_tokens: 10, cost_usd: 0.5 },
    { id: "u", parent: "i", at: 3, kind: "llm", input_tokens: 7, output_tokens: 1, unpriced: "unknown model" },
    { id: "e", parent: "r", at: 4, kind: "tool", status: "error" }]));
  const at = (name, id) => t.sum[name][t.columns.span_id.indexOf(id)];
  assert.deepEqual([at("input", "r"), at("output", "r"), at("cost", "r"), at("priced", "r"), at("unpriced", "r"), at("errors", "r"), at("llm", "r")], [107, 11, 0.5, 1, 1, 1, 2]);
  assert.deepEqual([at("cost", "i"), at("errors", "i"), at("input", "l")], [0.5, 0, 100]);
});

test("collapsing hides what is below", () => {
  const t = tree(columns([{ id: "r" }, { id: "a", parent: "r", at: 1 }, { id: "a1", parent: "a", at: 2 }, { id: "b", parent: "r", at: 3, name: "m" }]));
  assert.deepEqual(shown(t, new Set(["a"])), ["r", " a", " b"]);
  assert.deepEqual(shown(t, new Set(["r"])), ["r"]);
});

test("five leaves that look the same fold; four, or one that differs, do not", () => {
  const calls = (n, extra = {}) => Array.from({ length: n }, (_, i) => ({ id: `c${i}`, parent: "r", at: i + 1, kind: "tool", tool: "read", ...(i === 2 ? extra : {}) }));
  assert.deepEqual(shown(tree(columns([{ id: "r" }, ...calls(4)]))), ["r", " c0", " c1", " c2", " c3"]);
  const five = tree(columns([{ id: "r" }, ...calls(5)]));
  assert.deepEqual(shown(five), ["r", " c0*5"]);
  assert.deepEqual(shown(five, new Set(), new Set(["c0"])), ["r", " c0*5", " c0", " c1", " c2", " c3", " c4"]);
  assert.equal(shown(tree(columns([{ id: "r" }, ...calls(6, { status: "error" })]))).length, 7);
});

test("a chain of 100,000 spans and a fan of 100,000 are laid out", () => {
  const size = 100_000;
  const chain = tree(columns(Array.from({ length: size }, (_, i) => ({ id: `${i}`, parent: i ? `${i - 1}` : null, at: i }))));
  assert.equal(chain.depth[chain.order[size - 1]], size - 1);
  const fan = tree(columns(Array.from({ length: size }, (_, i) => ({ id: `${i}`, parent: i ? "0" : null, at: i, name: `n${i}` }))));
  assert.equal(fan.end[0], size);
});

test("what runs lasts until now", () => {
  const t = tree(columns([{ id: "r", at: 0, ms: null }, { id: "a", parent: "r", at: 10, ms: 20 }]));
  assert.deepEqual(extent(t, 500), { start: 0, length: 500 });
  assert.deepEqual(extent(tree(columns([])), 0), { start: 0, length: 1 });
});

test("spans of an event replace and append, on the trace's clock", () => {
  const before = columns([{ id: "r", at: 0, ms: null, status: "running" }]);
  const after = merged(before, [{ span_id: "r", parent_span_id: null, start_ms: 1000, duration_ms: 30, name: "n", kind: "span", status: "success" },
    { span_id: "a", parent_span_id: "r", start_ms: 1010, duration_ms: 5, name: "a", kind: "tool", status: "success" }], 1000);
  assert.deepEqual(after.start_ms, [0, 10]);
  assert.deepEqual(after.status, ["success", "success"]);
  assert.deepEqual(before.status, ["running"]);
  assert.deepEqual(after.cost_usd, [null, null]);
});

test("pages of a trace are joined, marks are round, slices stay inside", () => {
  const [a, b] = [columns([{ id: "a" }]), columns([{ id: "b" }])];
  assert.deepEqual(joined([{ columns: a }, { columns: b }]).span_id, ["a", "b"]);
  assert.deepEqual(marks(921, 5), [0, 200, 400, 600, 800]);
  assert.deepEqual(marks(0.003, 5).length <= 6, true);
  assert.deepEqual(slice(10, 0, 100, 28), { from: 0, to: 10 });
  assert.deepEqual(slice(10_000, 28_000, 280, 28, 8), { from: 992, to: 1018 });
});
