// Money: when, on what, by whom; and what nobody knows the price of.
import { html, useMemo } from "../html.js";
import { clock, compact, count, day, line, percent, plural, usd, visible } from "../format.js";
import { bounds, keptRange, link, param, paramAll, range, update } from "../state.js";
import { Answer, BUCKETS, Cost, FirstSteps, PageHead, Panel, Range, TokenBar, Tokens, useFacets } from "../parts.js";
import { useAnswer } from "../api.js";
import { Chart, seriesToken } from "../chart.js";

const FACETS = [["model", "Model"], ["service", "Service"]];
const WHO = [["by_model", "Model", "model"], ["by_agent", "Agent", "agent"], ["by_session", "Session", "session"], ["by_user", "User", "user"], ["by_service", "Service", "service"]];
const DAY_MS = 86_400_000;

export function Costs() {
  const everything = range.value.name === "all" ? { from: 0, to: Date.now() + 60_000 - (Date.now() % 60_000) } : {};
  const facets = useFacets(FACETS);
  const filters = Object.fromEntries(FACETS.map(([name]) => [name, paramAll(name)]));
  const answer = useAnswer("costs", { ...everything, ...bounds(), ...filters, utc_offset_min: -new Date().getTimezoneOffset() });
  return html`<${PageHead} title="Costs">${facets}<${Range} /><//>
    <${Answer} answer=${answer} what="Adding up">${(data) => data.total.llm_calls ? html`<${Body} data=${data} filters=${filters} />` : html`<${FirstSteps} what="LLM calls in this time" />`}<//>`;
}

const into = (filters, extra) => link("traces", null, { ...keptRange(), ...filters, sort: "cost", ...extra });

function Body({ data, filters }) {
  const who = WHO.find(([name]) => name === param("who")) ?? WHO[0];
  const { total } = data;
  return html`<div class="costs">
    <div class="figures">
      <${Figure} name="Spent" href=${into(filters, {})}><${Cost} value=${total.cost_usd} calls=${total.llm_calls} /><//>
      <${Figure} name="Priced calls" href=${into(filters, {})}>${count(total.llm_calls - total.unpriced_calls)}<//>
      <${Figure} name="Per priced call" href=${into(filters, {})}>${usd(total.cost_usd === null ? null : total.cost_usd / Math.max(1, total.llm_calls - total.unpriced_calls))}<//>
      <${Figure} name="Read from cache" href=${into(filters, { sort: "tokens" })}>${percent(total.cache_read / Math.max(1, total.uncached_input + total.cache_read + total.cache_write))}<//>
      <${Figure} name="Unpriced calls" warn=${total.unpriced_calls} href=${data.unpriced[0] ? link("traces", data.unpriced[0].example.trace_id, { span: data.unpriced[0].example.span_id, range: "all" }) : null}>${count(total.unpriced_calls)}<//>
    </div>
    <${Panel} class="cost-days" title="Spend per day, by model" figure=${usd(total.cost_usd)}><${Days} data=${data} filters=${filters} /><//>
    <${Panel} class="cost-who" title="Who spent it" extra=${html`<div class="switch" role="group" aria-label="By">${WHO.map(([name, text]) => html`<button type="button" aria-pressed=${name === who[0]} onClick=${() => update({ who: name === "by_model" ? null : name })}>${text}</button>`)}</div>`}>
      <${Who} rows=${data[who[0]]} filter=${who[2]} filters=${filters} total=${total.cost_usd} /><//>
    <${Panel} class="cost-tokens" title="Tokens" figure=${compact(BUCKETS.reduce((sum, [name]) => sum + total[name], 0))}><${TokenBar} tokens=${total} /><//>
    <${Panel} class="cost-calls" title="Most expensive calls"><${Calls} rows=${data.calls} /><//>
    <${Panel} class="cost-sessions" title="Most expensive sessions"><${Who} rows=${data.by_session} total=${total.cost_usd} filter="session" filters=${filters} /><//>
    ${data.unpriced.length ? html`<${Panel} class="cost-unpriced" title="Unpriced" note="not part of any sum above"><${Unpriced} rows=${data.unpriced} /><//>` : null}
  </div>`;
}

const Figure = ({ name, children, href, warn }) => html`<${href ? "a" : "div"} class="figure" href=${href || undefined}><span class="faint">${name}</span><b class=${`num ${warn ? "unpriced" : ""}`}>${children}</b><//>`;

const dayStart = (text) => new Date(`${text}T00:00:00`).getTime();

/** A series per model over all days of the window, days without calls included. */
function series(rows, from, to) {
  const times = [];
  const begin = new Date(from).setHours(0, 0, 0, 0);
  const first = to - begin > 62 * DAY_MS && rows.length ? Math.max(dayStart(rows[0].day) - DAY_MS, begin) : begin;
  for (let at = first; at < to; at = new Date(at).setHours(24, 0, 0, 0)) times.push(at);
  const index = new Map(times.map((time, i) => [day(time), i]));
  const models = new Map();
  for (const row of rows) {
    if (row.cost_usd === null) continue;
    if (!models.has(row.model)) models.set(row.model, { label: visible(row.model ?? "no model"), model: row.model, values: times.map(() => 0), sum: 0 });
    const found = models.get(row.model);
    if (index.has(row.day)) found.values[index.get(row.day)] += row.cost_usd;
    found.sum += row.cost_usd;
  }
  const sorted = [...models.values()].sort((a, b) => b.sum - a.sum).map((one, i) => ({ ...one, token: seriesToken(i) }));
  return { times, sorted };
}

function Days({ data, filters }) {
  const { times, sorted } = useMemo(() => series(data.by_day_and_model, data.from_ms, data.to_ms), [data]);
  const point = (index) => link("traces", null, { ...filters, from: times[index], to: times[index] + DAY_MS, sort: "cost" });
  if (!sorted.length) return html`<p class="faint">No call of this time has a known price.</p>`;
  return html`<div class="days"><${Chart} times=${times} stepS=${86_400} series=${sorted} bars stack format=${usd} point=${point} label="Spend per day, by model" days />
    <ul class="day-keys">${sorted.slice(0, 8).map((one) => html`<li><a href=${into(filters, { model: one.model })}><span class="swatch" style=${{ background: `var(--${one.token})` }}></span><bdi class="grow">${line(one.label, 40)}</bdi><span class="num">${usd(one.sum)}</span></a></li>`)}</ul></div>`;
}

function Who({ rows, filter, filters, total }) {
  if (!rows.length) return html`<p class="faint">No call names one. Set it with <code>obs.session(..., ${filter}_id=...)</code> or the configuration.</p>`;
  const most = Math.max(...rows.map((row) => row.cost_usd ?? 0), 1e-12);
  return html`<ul class="bars">${rows.slice(0, 10).map((row) => html`<li><a href=${filter === "session" && row.key ? link("sessions", row.key) : into(filters, { [filter]: row.key })}>
    <span class="bars-head"><bdi class="grow">${row.key === null ? html`<span class="faint">none given</span>` : line(row.key, 60)}</bdi>
      <span class="faint num">${plural(row.llm_calls, "call")}</span><span class="num strong"><${Cost} value=${row.cost_usd} unpriced=${row.unpriced_calls} calls=${row.llm_calls} /></span>
      <span class="faint num share">${row.cost_usd !== null && total ? percent(row.cost_usd / total) : ""}</span></span>
    <span class="bars-track"><span style=${{ width: `${((row.cost_usd ?? 0) / most) * 100}%` }}></span></span></a></li>`)}</ul>`;
}

const Calls = ({ rows }) => rows.length ? html`<table><thead><tr><th>Model</th><th>When</th><th class="right">Tokens</th><th class="right">Cost</th></tr></thead>
  <tbody>${rows.slice(0, 10).map((row) => html`<tr><td><a class="go" href=${link("traces", row.trace_id, { span: row.span_id, range: "all" })}><bdi>${line(row.model ?? "no model", 40)}</bdi></a></td>
    <td class="num faint">${day(row.start_ms)} ${clock(row.start_ms)}</td><td class="right"><${Tokens} input=${row.input_tokens} output=${row.output_tokens} /></td><td class="right"><a href=${link("traces", row.trace_id, { span: row.span_id, range: "all" })}><${Cost} value=${row.cost_usd} calls="1" /></a></td></tr>`)}</tbody></table>`
  : html`<p class="faint">None has a known price.</p>`;

const Unpriced = ({ rows }) => html`<table><thead><tr><th>Model</th><th>Provider</th><th>Why</th><th class="right">Calls</th><th class="right">Tokens</th><th></th></tr></thead>
  <tbody>${rows.map((row) => html`<tr><td><bdi class="strong">${line(row.model ?? "no model", 60)}</bdi></td><td><bdi>${line(row.provider ?? "–", 40)}</bdi></td><td><bdi>${line(row.reason, 80)}</bdi></td><td class="num right">${count(row.calls)}</td>
    <td class="right"><${Tokens} input=${row.input_tokens} output=${row.output_tokens} /></td><td class="right"><a class="go" href=${link("traces", row.example.trace_id, { span: row.example.span_id, range: "all" })}>an example</a></td></tr>`)}</tbody></table>`;
