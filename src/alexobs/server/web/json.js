// JSON with its parts told apart by colour. Text nodes only.
import { html, useState } from "./html.js";
import { compact, pretty, visible } from "./format.js";

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;
const COLOURED = 20_000;
const SHOWN = 4000;

function parts(text) {
  const found = [];
  let last = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > last) found.push(text.slice(last, match.index));
    const kind = match[2] !== undefined ? "key" : match[1] ? "text" : "value";
    found.push(html`<span class=${`json-${kind}`}>${match[1] ?? match[0]}</span>`);
    if (match[2]) found.push(match[2]);
    last = match.index + match[0].length;
  }
  found.push(text.slice(last));
  return found;
}

/** Long text, of which the rest shows on demand. */
export function Text({ text, class: name = "text", json = false }) {
  const [all, set] = useState(false);
  const clean = visible(text);
  const shown = all || clean.length <= SHOWN * 1.2 ? clean : clean.slice(0, SHOWN);
  return html`<pre class=${name} dir="auto">${json && shown.length < COLOURED ? parts(shown) : shown}${shown.length < clean.length ? "…" : ""}</pre>
    ${shown.length < clean.length ? html`<button type="button" class="quiet" onClick=${() => set(true)}>Show all ${compact(clean.length)} characters</button>` : null}`;
}

/** A value of any form: text as it is, JSON indented. */
export function Value({ value }) {
  const text = pretty(value);
  const json = typeof value !== "string" || text !== value || /^\s*[{[]/.test(text);
  return html`<${Text} text=${text} class=${json ? "json" : "mono-text"} json=${json} />`;
}
