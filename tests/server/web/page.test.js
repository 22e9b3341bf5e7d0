import assert from "node:assert/strict";
import { test } from "node:test";
import { link, parse } from "./web/state.js";
import { message } from "./web/conversation.js";
import { graph } from "./web/graph.js";
import { matches } from "./web/pages/logs.js";

test("a link and the place that it leads to are one", () => {
  const place = parse(link("sessions", "a/b c?d#é", { q: "x y", model: ["m1", "m2"], none: null, empty: "" }));
  assert.equal(place.page, "sessions");
  assert.equal(place.id, "a/b c?d#é");
  assert.deepEqual(place.params.getAll("model"), ["m1", "m2"]);
  assert.equal(place.params.get("q"), "x y");
  assert.equal(place.params.has("none"), false);
});

test("an unknown or broken address is the overview, not an error", () => {
  assert.equal(parse("").page, "overview");
  assert.equal(parse("#/nowhere/1").page, "overview");
  assert.equal(parse("#/traces/%E0%A4%A").id, null);
});

test("messages of every generation have a role and parts", () => {
  assert.deepEqual(message({ role: "user", parts: [{ type: "text", content: "a" }] }).parts, [{ type: "text", content: "a" }]);
  assert.deepEqual(message({ role: "user", content: "a" }).parts, [{ type: "text", content: "a" }]);
  assert.deepEqual(message("a").parts, [{ type: "text", content: "a" }]);
  const call = { role: "assistant", content: null, tool_calls: [{ id: "1", function: { name: "f", arguments: "{}" } }] };
  assert.deepEqual(message(call).parts, [{ type: "tool_call", id: "1", name: "f", arguments: "{}" }]);
  assert.deepEqual(message(null).parts, [{ type: "other", value: null }]);
});

test("the graph counts calls and sums only known costs", () => {
  const turn = (kind, name, cost = null, status = "success") => ({ kind, name, model: kind === "llm" ? name : null, tool: kind === "tool" ? name : null, agent: null, duration_ms: 10, cost_usd: cost, status });
  const { nodes, edges } = graph([turn("llm", "m", 0.5), turn("tool", "read", null, "error"), turn("llm", "m"), turn("tool", "read")], "planner");
  const of = (name) => nodes.find((one) => one.name === name);
  assert.deepEqual([of("planner").calls, of("m").calls, of("m").cost, of("m").priced, of("read").errors], [2, 2, 0.5, 1, 1]);
  assert.deepEqual(edges.map((edge) => [edge.from.name, edge.to.name, edge.calls]), [["planner", "m", 2], ["m", "read", 2]]);
});

test("a line that has just come is held to the same filters as the list", () => {
  const log = { level: "warn", service: "a", session_id: "s", trace_id: "t", span_id: "p", body: "Retry later", attributes: { code: 429 } };
  assert.equal(matches(log, {}), true);
  assert.equal(matches(log, { level: "error" }), false);
  assert.equal(matches(log, { level: "info", service: ["a"], session: "s", q: "retry" }), true);
  assert.equal(matches(log, { q: "429" }), true);
  assert.equal(matches(log, { service: ["b"] }), false);
  assert.equal(matches(log, { trace: "other" }), false);
});
