import assert from "node:assert/strict";
import { test } from "node:test";
import * as f from "./web/format.js";

const table = (of, rows) => rows.forEach(([value, text]) => assert.equal(of(value), text, `${value}`));

test("durations keep three digits and change their unit before they carry", () => {
  table(f.duration, [[0, "0 ms"], [0.0004, "0.4 µs"], [0.42, "420 µs"], [0.9996, "1 ms"], [84, "84 ms"], [999.4, "999 ms"],
    [999.6, "1.00 s"], [1240, "1.24 s"], [59_994, "60.0 s"], [60_000, "1m 00s"], [125_000, "2m 05s"], [3_600_000, "1h 00m"],
    [90_000_000, "1d 1h"], [-84, "-84 ms"], [null, "–"], [NaN, "–"]]);
});

test("small amounts of money do not become zero", () => {
  table(f.usd, [[0, "$0"], [1e-9, "<$0.000001"], [0.0000084, "$0.0000084"], [0.00042, "$0.00042"], [0.031, "$0.031"], [0.5, "$0.500"],
    [12.4, "$12.40"], [1240.4, "$1,240"], [-0.031, "-$0.031"], [null, "–"], [undefined, "–"]]);
});

test("numbers are compact", () => {
  table(f.compact, [[0, "0"], [999, "999"], [1234, "1.2k"], [34_000, "34k"], [999_499, "999k"], [999_500, "1.0M"], [1_250_000, "1.3M"], [2e9, "2.0G"], [null, "–"]]);
  table(f.bytes, [[0, "0 B"], [999, "999 B"], [52_428_800, "52.4 MB"], [10_737_418_240, "10.7 GB"]]);
  table(f.percent, [[0, "0%"], [0.061, "6.1%"], [0.5, "50%"], [1, "100%"]]);
});

test("what reorders or hides text is shown", () => {
  assert.equal(f.visible("a\u202egnp.exe"), "a‹U+202E›gnp.exe");
  assert.equal(f.visible("a\u0000b\u200bc\ufeff"), "a‹U+0000›b‹U+200B›c‹U+FEFF›");
  assert.equal(f.visible("line\nnext\tword\r\n"), "line\nnext\tword\n");
  assert.equal(f.line("  a\n b ", 10), "a b");
  assert.equal(f.line("abcdef", 4), "abc…");
});

test("JSON is indented, other text is left alone", () => {
  assert.equal(f.pretty('{"a":1}'), '{\n  "a": 1\n}');
  assert.equal(f.pretty("{broken"), "{broken");
  assert.equal(f.pretty("12"), "12");
  assert.equal(f.pretty({ a: [1] }), '{\n  "a": [\n    1\n  ]\n}');
});

test("a time is told by how long ago it was", () => {
  const now = Date.UTC(2026, 0, 10, 12);
  table((ms) => f.ago(ms, now), [[now - 1000, "now"], [now - 42_000, "42s ago"], [now - 3_599_000, "59m ago"], [now - 7_200_000, "2h ago"], [now - 200_000_000, "2d ago"]]);
});
