// The keyboard: one listener, a stack of maps from key to action, and the sheet that lists them.
import { html, useEffect, useRef } from "./html.js";
import { helpOpen } from "./state.js";

const maps = [];

const typing = (node) => node instanceof HTMLElement
  && (node.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(node.tagName));

/** Add a map; the newest that knows a key wins. Returns how to take it away. */
export function listen(map) {
  maps.unshift(map);
  return () => maps.splice(maps.indexOf(map), 1);
}

/** Keys of a component for as long as it is there. */
export function useKeys(map) {
  const latest = useRef(map);
  latest.current = map;
  useEffect(() => listen(new Proxy({}, { get: (_, key) => latest.current[key] })), []);
}

globalThis.addEventListener?.("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "Enter" && event.target.closest?.("a, button")) return;
  if (helpOpen.value && event.key !== "?" && event.key !== "Escape") return;
  const action = maps.map((map) => map[event.key]).find(Boolean);
  if (!action) return;
  event.preventDefault();
  action(event);
});

const SHEET = [
  ["Everywhere", [["1 … 6", "pages"], ["/", "search"], ["p", "pause and resume"], ["t", "theme"], ["?", "this sheet"], ["Esc", "close"]]],
  ["Trace", [
    ["j  k  ↓  ↑", "next and previous row"], ["f  b", "a page forward and back"], ["g  G", "first and last row"],
    ["→  ←", "expand and collapse; ← again goes to the parent"], ["Enter", "open the span, or a fold"],
    ["e  E", "next and previous error"], ["[  ]", "previous and next trace"], ["c", "copy the link"], ["Esc", "close the inspector"],
  ]],
  ["Lists", [["j  k", "next and previous"], ["Enter", "open"]]],
];

export function Help() {
  const box = useRef(null);
  useEffect(() => { box.current?.showModal?.(); }, []);
  const close = () => { helpOpen.value = false; };
  return html`<dialog class="help" ref=${box} onClose=${close} onClick=${(event) => event.target === box.current && close()} aria-label="Keys">
    <h2>Keys</h2>
    <div class="help-columns">${SHEET.map(([title, keys]) => html`<section><h3>${title}</h3>
      <dl>${keys.map(([key, what]) => html`<div><dt>${key.split(/\s+/).map((one) => one === "…" ? "…" : html`<kbd>${one}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl></section>`)}</div>
  </dialog>`;
}
