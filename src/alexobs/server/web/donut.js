// Shares of a whole, and one number. Every slice and row leads somewhere.
import { html } from "./html.js";
import { count, percent } from "./format.js";

const RADIUS = 42;
const AROUND = 2 * Math.PI * RADIUS;
const MOST = 6;

/** The largest shares, and the rest as one. */
function grouped(shares) {
  const sorted = [...shares].sort((a, b) => b.value - a.value);
  if (sorted.length <= MOST) return sorted;
  const rest = sorted.slice(MOST - 1);
  const value = rest.reduce((sum, one) => sum + one.value, 0);
  return [...sorted.slice(0, MOST - 1), { label: `${rest.length} others`, labels: null, value, text: count(value), token: "series-8" }];
}

export function Donut({ shares, href, what }) {
  const total = shares.reduce((sum, one) => sum + one.value, 0);
  if (!total) return html`<p class="faint center">No ${what} in this time.</p>`;
  let turned = 0;
  const slices = grouped(shares).map((one) => {
    const length = (one.value / total) * AROUND;
    const slice = { ...one, length, offset: -turned };
    turned += length;
    return slice;
  });
  return html`<div class="donut">
    <svg viewBox="0 0 100 100" role="img" aria-label=${`${count(total)} uses of ${what}`}>
      ${slices.map(({ length, offset, token, label, text }) => html`<circle cx="50" cy="50" r=${RADIUS} fill="none" stroke-width="13"
        style=${{ stroke: `var(--${token})` }} stroke-dasharray=${`${Math.max(length - 1, 0.5)} ${AROUND}`} stroke-dashoffset=${offset}
        transform="rotate(-90 50 50)"><title>${label}: ${text}</title></circle>`)}
    </svg>
    <ul class="shares">${slices.map(({ label, labels, token, value }) => html`<li>
      <${Row} href=${labels && href(labels)}><span class="swatch" style=${{ background: `var(--${token})` }}></span>
        <bdi class="grow">${label}</bdi><span class="num">${percent(value / total)}</span><//></li>`)}</ul>
  </div>`;
}

const Row = ({ href, children }) => href ? html`<a href=${href}>${children}</a>` : html`<span class="row">${children}</span>`;

/** A count on a half circle whose end is the next round number. */
export function Gauge({ value, label }) {
  const most = [5, 10, 20, 50, 100, 200, 500, 1000, 10_000].find((limit) => value <= limit) ?? value;
  const half = Math.PI * 40;
  return html`<div class="gauge" role="img" aria-label=${`${value} ${label}`}>
    <svg viewBox="0 0 100 58">
      <path class="track" d="M10 52 A40 40 0 0 1 90 52" fill="none" stroke-width="9" stroke-linecap="round" />
      ${value > 0 ? html`<path class="level" d="M10 52 A40 40 0 0 1 90 52" fill="none" stroke-width="9" stroke-linecap="round"
        stroke-dasharray=${`${half * (value / most)} ${half * 2}`} />` : null}
    </svg>
    <div class="gauge-figure"><span class="num">${count(value)}</span><span class="faint">${label}</span></div>
    <div class="gauge-ends num faint"><span>0</span><span>${count(most)}</span></div>
  </div>`;
}
