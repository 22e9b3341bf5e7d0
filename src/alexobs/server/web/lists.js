// Lists that go on with cursors: pages are asked for as the end comes near, rows are virtual.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./html.js";
import { get } from "./api.js";
import { slice } from "./layout.js";
import { resumed } from "./state.js";
import { reveal, useViewport } from "./parts.js";

const SLOTS = 211; // rows are used again; more than any screen shows

/**
 * All pages of `path` read so far: {rows, more, loading, error, loadMore}. `again` asks anew for
 * the first page and puts new rows before the old ones; other parameters start over.
 */
export function useList(path, name, params, again, id) {
  const key = JSON.stringify(params);
  const [state, set] = useState({ rows: null, cursor: null, error: null, loading: true, key });
  const turn = useRef(0);
  const asked = useRef(null);
  useEffect(() => {
    const aborter = new AbortController();
    const fresh = asked.current !== key;
    asked.current = key;
    const mine = ++turn.current;
    set((old) => fresh ? { rows: old.rows, cursor: null, error: null, loading: true, key } : { ...old, loading: true });
    get(path, params, aborter.signal).then((page) => mine === turn.current && set((old) => {
      const first = page[name];
      if (fresh || !old.rows) return { rows: first, cursor: page.next_cursor, error: null, loading: false, key };
      const known = new Set(first.map(id));
      const rest = old.rows.filter((row) => !known.has(id(row)));
      return { ...old, rows: old.rows.length <= first.length ? first : [...first, ...rest], error: null, loading: false };
    }), (error) => error.name !== "AbortError" && mine === turn.current
      && set((old) => ({ ...old, rows: fresh ? null : old.rows, error, loading: false })));
    return () => aborter.abort();
  }, [path, key, again, resumed.value]);
  const loadMore = () => {
    if (!state.cursor || state.loading) return;
    const mine = turn.current;
    set((old) => ({ ...old, loading: true }));
    get(path, { ...params, cursor: state.cursor }).then(
      (page) => mine === turn.current && set((old) => ({ ...old, rows: [...old.rows, ...page[name]], cursor: page.next_cursor, loading: false })),
      (error) => mine === turn.current && set((old) => ({ ...old, error, loading: false })),
    );
  };
  return { ...state, more: Boolean(state.cursor), loadMore };
}

/** Rows of one height; `render(row, index)` draws one, `current` is kept in view. */
export function VirtualList({ list, rowHeight, render, current = -1, label, onTop, head = null, class: name = "" }) {
  const { box, top, height } = useViewport(rowHeight);
  const { rows } = list;
  const { from, to } = slice(rows.length, top, height, rowHeight);
  useLayoutEffect(() => { if (current >= 0) reveal(box.current, current, rowHeight); }, [current]);
  useEffect(() => { if (to >= rows.length - 5) list.loadMore(); }, [to, rows.length]);
  useEffect(() => { onTop?.(top < rowHeight); }, [top < rowHeight]);
  return html`<div class=${`virtual ${name}`} ref=${box} role="list" aria-label=${label} tabindex="0">
    ${head}
    <div class="rows" style=${{ height: `${rows.length * rowHeight}px` }}>${rows.slice(from, to).map((row, i) => html`
      <div class="virtual-row" role="listitem" key=${(from + i) % SLOTS} style=${{ transform: `translateY(${(from + i) * rowHeight}px)`, height: `${rowHeight}px` }}>${render(row, from + i)}</div>`)}</div>
    ${list.more ? html`<p class="faint pad">Reading more…</p>` : null}
  </div>`;
}
