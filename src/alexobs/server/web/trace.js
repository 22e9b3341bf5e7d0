// One trace in memory: all its pages, kept current by what the server tells as it happens.
import { useEffect, useState } from "./html.js";
import { pages, segment, useLive } from "./api.js";
import { joined, tree } from "./layout.js";
import { paused, resumed } from "./state.js";

export const MOST_SPANS = 100_000;

/**
 * Columns with the spans of an event put in: known ids replaced, new ones appended.
 * Events carry absolute times, columns count from the trace's start.
 */
export function merged(columns, spans, originMs) {
  const next = Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values.slice()]));
  const index = new Map(next.span_id.map((id, i) => [id, i]));
  for (const span of spans) {
    let at = index.get(span.span_id);
    if (at === undefined) { at = next.span_id.length; index.set(span.span_id, at); }
    for (const name of Object.keys(next)) next[name][at] = span[name] ?? null;
    next.start_ms[at] = span.start_ms - originMs;
  }
  return next;
}

async function load(id, signal) {
  const parts = [];
  let size = 0;
  try {
    await pages(`traces/${segment(id)}`, {}, (page) => {
      parts.push(page);
      size += page.columns.span_id.length;
      if (size >= MOST_SPANS && page.next_cursor) throw new TooMany();
    }, signal);
  } catch (fault) {
    if (!(fault instanceof TooMany)) throw fault;
  }
  const columns = joined(parts);
  return { id, about: parts[0].trace, columns, tree: tree(columns) };
}

class TooMany extends Error {}

/** The trace `id`: {trace, error, loading, retry}. */
export function useTrace(id) {
  const [state, set] = useState({ trace: null, error: null, loading: false });
  const [turn, again] = useState(0);
  useEffect(() => {
    if (!id) { set({ trace: null, error: null, loading: false }); return undefined; }
    const aborter = new AbortController();
    set((old) => ({ trace: old.trace?.id === id ? old.trace : null, error: null, loading: true }));
    load(id, aborter.signal).then(
      (trace) => set({ trace, error: null, loading: false }),
      (error) => error.name !== "AbortError" && set({ trace: null, error, loading: false }),
    );
    return () => aborter.abort();
  }, [id, turn, resumed.value]);
  useLive({ trace: id }, (type, event) => {
    if (type === "reset") again((n) => n + 1);
    if (type !== "spans") return;
    set((old) => {
      if (!old.trace || old.trace.id !== id) return old;
      const mine = event.spans.filter((span) => span.trace_id === id);
      if (!mine.length) return old;
      const columns = merged(old.trace.columns, mine, old.trace.about.start_ms);
      return { ...old, trace: { ...old.trace, columns, tree: tree(columns) } };
    });
  }, Boolean(id) && !paused.value);
  return { ...state, retry: () => again((n) => n + 1) };
}
