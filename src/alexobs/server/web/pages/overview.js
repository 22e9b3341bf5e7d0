// The eight panels: last 15 minutes, asked again every five seconds.
import { html } from "../html.js";
import { compact, count, duration, percent, plural, usd, visible } from "../format.js";
import { bounds, link, paramAll, paused, range } from "../state.js";
import { Answer, BUCKETS, FirstSteps, LiveSwitch, PageHead, Panel, Range, useFacets } from "../parts.js";
import { useAnswer, useTick } from "../api.js";
import { Chart, seriesToken, tracesIn } from "../chart.js";
import { Donut, Gauge } from "../donut.js";

const FILTERS = [["model", "Model"], ["tool", "Tool"], ["service", "Service"]];
const REFRESH_MS = 5000;

const filters = () => Object.fromEntries(FILTERS.map(([name]) => [name, paramAll(name)]));
const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);
const last = (values) => values.findLast((value) => value !== null) ?? null;
const BUCKET_NAMES = { ...Object.fromEntries(BUCKETS), uncached_input: "uncached" };

/** What a series is called in the legend: p95 for a quantile, words for a token bucket, else its labels. */
function named({ labels }) {
  const { quantile, bucket, status, ...rest } = labels;
  if (quantile) return `p${Number((quantile * 100).toFixed(2))}`;
  if (bucket) return BUCKET_NAMES[bucket] ?? visible(bucket);
  const texts = Object.values(rest).map((text) => visible(text));
  return (status && status !== "success" ? [...texts, visible(status)] : texts).join(" · ") || "all";
}

/** Labels of a series as filters of the list of traces. */
function behind(labels) {
  const found = {};
  if (labels.model) found.model = labels.model;
  if (labels.tool ?? labels.tool_name) found.tool = labels.tool ?? labels.tool_name;
  if (labels.status === "error") found.status = "error";
  return found;
}

export function Overview() {
  const tick = useTick(REFRESH_MS, !paused.value && !range.value.from);
  const facets = useFacets(FILTERS, Math.floor(tick / 6));
  const answer = useAnswer("panels", { ...bounds(REFRESH_MS), ...filters() }, tick);
  return html`<${PageHead} title="Overview">${facets}<${Range} /><${LiveSwitch} /><//>
    <${Answer} answer=${answer} what="Reading the panels">${(data) => empty(data) && !range.value.from && !FILTERS.some(([name]) => paramAll(name).length)
      ? html`<${FirstSteps} what="calls in this time" />` : html`<${Panels} data=${data} />`}<//>`;
}

const empty = ({ panels }) => !panels.llm_requests.series.some((s) => sum(s.values)) && !panels.tool_usage.shares.length
  && !panels.active_sessions.value;

function Panels({ data }) {
  const { panels, times_ms: times, step_s: stepS } = data;
  const point = (extra = {}) => (index) => tracesIn(times[index], times[index] + stepS * 1000, { ...filters(), ...extra });
  const all = (extra = {}) => tracesIn(data.from_ms, data.to_ms, { ...filters(), ...extra });
  const common = { times, stepS };
  const colours = shared(panels);
  const lines = (panel) => panel.series.map((s, i) => ({ label: named(s), values: s.values, labels: s.labels, token: colours(s.labels) ?? seriesToken(i) }));
  const perMinute = (panel) => panel.unit.includes("/s") ? 60 : 60 / stepS;
  const rate = perMinute(panels.llm_requests);
  const requests = scaled(lines(panels.llm_requests), rate).sort((a, b) => isError(a) - isError(b));
  const latency = lines(panels.llm_latency).map((s) => ({ ...s, values: s.values.map((v) => v === null ? null : v * factor(panels.llm_latency)) }));
  const tools = lines(panels.tool_duration).map((s) => ({ ...s, values: s.values.map((v) => v === null ? null : v * factor(panels.tool_duration)) }));
  const tokens = scaled(lines(panels.tokens), perMinute(panels.tokens));
  const errors = sum(requests.filter((s) => s.labels.status === "error").map((s) => sum(s.values)));
  const total = sum(requests.map((s) => sum(s.values)));
  return html`<div class="panels" aria-label="Panels">
    <${Panel} class="wide" title="LLM request rate" href=${all()} figure=${plural(inAll(panels.llm_requests, stepS), "call")}
      note=${errors ? html`<a class="error-text" href=${all({ status: "error" })}>${percent(errors / total)} errors</a>` : null}>
      <${Chart} ...${common} label="LLM requests per minute" series=${requests} bars stack format=${compact} point=${point()} /><//>
    <${Panel} class="wide" title="LLM latency" href=${all({ sort: "duration" })} figure=${duration(last(latency.at(-1)?.values ?? []))}
      extra=${html`<${Keys} series=${latency} />`}>
      <${Chart} ...${common} label="LLM latency percentiles" series=${latency} format=${duration} point=${point({ sort: "duration" })} /><//>
    <${Panel} class="wide" title="Token usage rate" href=${all({ sort: "tokens" })} figure=${compact(inAll(panels.tokens, stepS))} extra=${html`<${Keys} series=${tokens} />`}>
      <${Chart} ...${common} label="Tokens per minute" series=${tokens} stack format=${compact} point=${point({ sort: "tokens" })} /><//>
    <${Panel} class="wide" title="Cost" href=${link("costs", null, { from: data.from_ms, to: data.to_ms })} figure=${usd(panels.cost.total_usd)}
      note=${panels.cost.unpriced_calls ? html`<span class="unpriced">${plural(panels.cost.unpriced_calls, "call")} unpriced</span>` : null}>
      <${Chart} ...${common} label="Cost" series=${lines(panels.cost)} bars stack format=${usd} point=${point({ sort: "cost" })} /><//>
    <${Panel} title="Active sessions" href=${link("sessions", null, { status: "running", range: "24h" })}>
      <${Gauge} value=${panels.active_sessions.value} label="running now" /><//>
    <${Panel} title="Tool usage" figure=${compact(sum(panels.tool_usage.shares.map((s) => s.value)))}>
      <${Donut} shares=${shares(panels.tool_usage)} href=${(labels) => all(behind(labels))} what="tools" /><//>
    <${Panel} title="Tool duration p95" figure=${duration(Math.max(...tools.map((s) => last(s.values) ?? 0), 0) || null)}>
      <${Chart} ...${common} label="Tool execution duration, 95th percentile" series=${tools} format=${duration} point=${point({ sort: "duration" })} /><//>
    <${Panel} title="Model usage" figure=${compact(sum(panels.model_usage.shares.map((s) => s.value)))}>
      <${Donut} shares=${shares(panels.model_usage)} href=${(labels) => all(behind(labels))} what="models" /><//>
  </div>`;
}

/** How many there were in the whole window, of something given per second or per step. */
const inAll = ({ unit, series }, stepS) => Math.round(sum(series.map((s) => sum(s.values))) * (unit.includes("/s") ? stepS : 1));
const factor = ({ unit }) => unit === "s" ? 1000 : 1;
const scaled = (series, by) => series.map((s) => ({ ...s, values: s.values.map((v) => v === null ? null : v * by) }));
const isError = ({ labels }) => Number(labels.status === "error");

/** One colour for a model or tool in all panels, by its place among the shares; red for errors. */
function shared(panels) {
  const place = (panel, name) => new Map(panel.shares.map((one, i) => [one.labels[name], seriesToken(i)]));
  const [models, tools] = [place(panels.model_usage, "model"), place(panels.tool_usage, "tool")];
  return (labels) => labels.status === "error" ? "error" : models.get(labels.model) ?? tools.get(labels.tool);
}
const shares = (panel) => panel.shares.map((one, i) => ({ ...one, label: named(one), token: seriesToken(i), text: count(one.value) }));

const Keys = ({ series }) => series.length > 1 && series.length < 7 ? html`<span class="keys">${series.map(({ label, token }) => html`
  <span><span class="swatch" style=${{ background: `var(--${token})` }}></span><bdi>${label}</bdi></span>`)}</span>` : null;
