// Time series drawn by uPlot: colours from the tokens, drag to zoom, a click leads to the traces.
import uPlot from "./vendor/uplot.js";
import { html, useEffect, useRef } from "./html.js";
import { clock, day } from "./format.js";
import { go, link, theme, update } from "./state.js";

/** The colour of a token as the canvas needs it: resolved for the theme in use. */
export function colour(token) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${token})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

const soft = (rgb, alpha) => rgb.replace(/^rgb\(([^)]*)\)$/, `rgba($1, ${alpha})`);
export const seriesToken = (index) => `series-${(index % 8) + 1}`;

/** Rows of values become cumulative, so that areas stand on each other. */
function stacked(series) {
  const sums = new Array(series[0]?.values.length ?? 0).fill(0);
  return series.map(({ values }) => values.map((value, i) => (sums[i] += value ?? 0)));
}

function axis(text, grid, format, size) {
  return {
    stroke: text, font: "11px Inter, sans-serif", gap: 4, size,
    grid: { stroke: grid, width: 1 }, ticks: { show: false }, values: (_, ticks) => ticks.map(format),
  };
}

const hour = (spanS, days) => (at) => days || spanS > 2 * 86_400 ? day(at * 1000).slice(5) : clock(at * 1000).slice(0, spanS < 300 ? 8 : 5);

function options({ series, stack, format, bars, days, spanS, stepS, onHover, onZoom, onPoint }, width, height) {
  const text = colour("text-3");
  const grid = colour("line");
  const paths = bars ? uPlot.paths.bars({ size: [0.72, 40] })
    : uPlot.paths.linear();
  const drawn = series.map(({ token }) => {
    const stroke = colour(token);
    return { stroke, width: bars || stack ? 0 : 1.75, paths, spanGaps: false,
      fill: bars || stack ? stroke : series.length === 1 ? soft(stroke, 0.14) : undefined,
      points: { show: !bars && !stack, filter: (u, i) => lonely(u.data[i]), size: 5, fill: stroke, stroke } };
  });
  return {
    width, height, legend: { show: false }, padding: [8, 10, 0, 0],
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7, width: 1.5 }, y: false },
    scales: { x: { time: true, range: (_, least, most) => bars ? [least - stepS / 2, most + stepS / 2] : [least, Math.max(most, least + 1)] }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.12 : 1] } },
    axes: [
      { ...axis(text, grid, hour(spanS, days), 26), space: 64 },
      { ...axis(text, grid, format, 54), space: 34 },
    ],
    series: [{}, ...(stack ? drawn.reverse() : drawn)],
    hooks: {
      setCursor: [(u) => onHover(u.cursor.idx, u.cursor.left)],
      setSelect: [(u) => u.select.width > 4 && onZoom(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"))],
      ready: [(u) => pointer(u, onPoint)],
    },
  };
}

/** Where no line would be seen, because a value has no neighbour. */
function lonely(values) {
  const none = (i) => values[i] === null || values[i] === undefined;
  return values.map((_, i) => i).filter((i) => !none(i) && none(i - 1) && none(i + 1));
}

/** A press that is no drag is a click on the nearest point; uPlot itself would swallow it. */
function pointer(u, onPoint) {
  let down = 0;
  u.over.addEventListener("pointerdown", (event) => { down = event.clientX; });
  u.over.addEventListener("click", (event) => {
    if (Math.abs(event.clientX - down) < 4 && u.cursor.idx !== null && u.cursor.idx !== undefined) onPoint(u.cursor.idx);
  });
}

/**
 * A chart. `times` in ms; `series` of {label, values, token}; `format` for numbers;
 * `point(index, time)` gives the link behind a point, or null.
 */
export function Chart({ times, series, stack = false, bars = false, format, point, stepS, label, days = false }) {
  const box = useRef(null);
  const tip = useRef(null);
  const plot = useRef(null);
  const latest = useRef({});
  latest.current = { times, series, format, point };
  const shape = `${series.map((s) => s.label).join("|")}${stack}${bars}${theme.value}${matchMedia("(prefers-color-scheme: dark)").matches}`;
  const data = () => {
    const values = stack ? stacked(series).reverse() : series.map((s) => s.values);
    const x = times.map((t) => t / 1000);
    return x.length === 1 ? [[x[0], x[0] + stepS], ...values.map(([one]) => [one, null])] : [x, ...values];
  };
  useEffect(() => {
    const node = box.current;
    const size = () => ({ width: Math.max(node.clientWidth, 80), height: Math.max(node.clientHeight, 80) });
    const hover = (index, left) => show(tip.current, latest.current, index, left, node.clientWidth);
    const zoom = (from, to) => to - from > 1 && update({ from: Math.round(from * 1000), to: Math.round(to * 1000) });
    const open = (index) => { const to = latest.current.point?.(index); if (to) go(to); };
    const spanS = times.length ? (times.at(-1) - times[0]) / 1000 : 900;
    const made = options({ series, stack, format, bars, days, spanS, stepS, onHover: hover, onZoom: zoom, onPoint: open }, size().width, size().height);
    plot.current = new uPlot(made, data(), node);
    plot.current.over.style.cursor = point ? "pointer" : "crosshair";
    const observer = new ResizeObserver(() => plot.current?.setSize(size()));
    observer.observe(node);
    return () => { observer.disconnect(); plot.current.destroy(); plot.current = null; };
  }, [shape, Math.round((times.at(-1) - times[0]) / 60_000)]);
  useEffect(() => { plot.current?.setData(data()); }, [times, series]);
  return html`<div class="chart" data-points=${times.length}>
    <div class="plot" ref=${box} role="img" aria-label=${label}></div>
    <div class="tip" ref=${tip} hidden></div>
  </div>`;
}

/** The numbers under the cursor. Text nodes only: labels come from telemetry. */
function show(node, { times, series, format }, index, left, width) {
  if (!node) return;
  if (index === null || index === undefined || left < 0 || !times[index]) { node.hidden = true; return; }
  const rows = series.map((s) => [s, s.values[index]]).filter(([, value]) => value !== null && value !== undefined)
    .sort((a, b) => b[1] - a[1]).slice(0, 10);
  const head = document.createElement("b");
  head.textContent = times.at(-1) - times[0] > 2 * 86_400_000 ? day(times[index]) : clock(times[index]);
  node.replaceChildren(head, ...rows.map(([{ label, token }, value]) => {
    const row = document.createElement("div");
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = `var(--${token})`;
    const name = document.createElement("bdi");
    name.textContent = label;
    const number = document.createElement("span");
    number.className = "num";
    number.textContent = format(value);
    row.append(swatch, name, number);
    return row;
  }));
  node.hidden = false;
  const at = left + 64;
  node.style.left = at > width / 2 ? "" : `${at + 12}px`;
  node.style.right = at > width / 2 ? `${width - at + 12}px` : "";
}

export const tracesIn = (from, to, filters = {}) => link("traces", null, { ...filters, from, to });
