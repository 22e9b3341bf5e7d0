// What became of every record, what was removed from them, and how the server itself is.
import { html } from "../html.js";
import { ago, bytes, compact, count, day, duration, line, percent, plural } from "../format.js";
import { bounds, paused } from "../state.js";
import { Answer, CodeBlock, Empty, LiveSwitch, PageHead, Panel, Range } from "../parts.js";
import { useAnswer, useTick } from "../api.js";

const PARTS = [["exported", "exported"], ["sampled_out", "sampled out"], ["dropped", "dropped"], ["waiting", "waiting"]];

export function Health() {
  const tick = useTick(5000, !paused.value);
  const accounting = useAnswer("accounting", bounds(), tick);
  const store = useAnswer("store", {}, tick);
  return html`<${PageHead} title="Health"><${Range} /><${LiveSwitch} /><//>
    <div class="health">
      <${Answer} answer=${store} what="Reading the store">${(data) => html`<${Store} data=${data} />`}<//>
      <h2 class="section-title">What became of every record</h2>
      <${Answer} answer=${accounting} what="Reading the books">${({ processes }) => processes.length ? processes.map((one) => html`<${Process} key=${`${one.service}${one.instance}${one.pid}`} one=${one} />`) : html`<${Empty} title="No process keeps books here yet" code=${"import alexobs\n\nobs = alexobs.init()\n...\nprint(obs.health())"}>
        An agent that uses alexobs sends, with its metrics, how many records it made and what became of them. Other OpenTelemetry programs do not.<//>`}<//>
    </div>`;
}

function Store({ data }) {
  const { rows, retention, ingest } = data;
  const full = retention.max_bytes ? data.size_bytes / retention.max_bytes : null;
  return html`<div class="figures">
    <div class="figure"><span class="faint">Store</span><b class="num">${bytes(data.size_bytes)}</b>
      ${full === null ? html`<span class="faint">no limit on size</span>` : html`<span class="meter" role="img" aria-label=${`${percent(full)} of the limit`}><span style=${{ width: `${Math.min(100, full * 100)}%` }}></span></span><span class="faint">${percent(full)} of ${bytes(retention.max_bytes)}, then the oldest goes</span>`}</div>
    <div class="figure"><span class="faint">Kept for</span><b class="num">${retention.max_age_s ? duration(retention.max_age_s * 1000) : "ever"}</b><span class="faint">oldest: ${data.oldest_ms === null ? "nothing yet" : day(data.oldest_ms)}</span></div>
    <div class="figure"><span class="faint">Spans</span><b class="num">${compact(rows.spans)}</b><span class="faint num">${ingest.spans_per_s.toFixed(1)}/s · ${count(rows.running_spans)} running</span></div>
    <div class="figure"><span class="faint">Log lines</span><b class="num">${compact(rows.logs)}</b><span class="faint num">${ingest.logs_per_s.toFixed(1)}/s</span></div>
    <div class="figure"><span class="faint">Metric points</span><b class="num">${compact(rows.metric_points)}</b><span class="faint num">${ingest.points_per_s.toFixed(1)}/s</span></div>
    <div class="figure"><span class="faint">Messages</span><b class="num">${compact(rows.messages)}</b><span class="faint">each stored once</span></div>
  </div>`;
}

function Process({ one }) {
  const redactions = Object.entries(one.redactions).sort((a, b) => b[1] - a[1]);
  const faults = Object.entries(one.faults);
  const balanced = Object.values(one.signals).every((account) => account.balanced);
  return html`<${Panel} class="process" title=${line(one.service ?? "unnamed service", 60)} note=${html`${one.pid === null ? null : html`process ${one.pid}`}${one.host ? ` on ${line(one.host, 40)}` : ""} · ${ago(one.last_ms)}`}
      extra=${html`<span class=${`status end-mark ${balanced ? "status-success" : "status-error"}`}>${balanced ? "adds up" : "does not add up"}</span>`}>
    <div class="accounts">${Object.entries(one.signals).map(([signal, account]) => html`<${Account} key=${signal} signal=${signal} account=${account} />`)}</div>
    <div class="process-foot">
      <section><h3>Redacted</h3>${redactions.length ? html`<ul class="counts">${redactions.map(([rule, n]) => html`<li><bdi class="mono">${line(rule, 40)}</bdi><span class="num">${count(n)}</span></li>`)}</ul>` : html`<p class="faint">nothing so far</p>`}</section>
      <section><h3>Faults of alexobs itself</h3>${faults.length ? html`<ul class="counts">${faults.map(([where, n]) => html`<li><bdi class="mono error-text">${line(where, 60)}</bdi><span class="num">${count(n)}</span></li>`)}</ul><p class="faint">They were kept away from the application.</p><${CodeBlock} text="alexobs doctor" />` : html`<p class="faint">none</p>`}</section>
    </div><//>`;
}

function Account({ signal, account }) {
  const reasons = Object.entries(account.dropped_by_reason).filter(([, n]) => n);
  const parts = PARTS.reduce((sum, [name]) => sum + account[name], 0);
  return html`<section class="account" aria-label=${`Account of ${signal}`}>
    <h3>${line(signal, 30)}</h3>
    <div class="segments" role="img" aria-label=${PARTS.map(([name, text]) => `${account[name]} ${text}`).join(", ")}>${PARTS.map(([name]) => account[name] ? html`<span class=${`part part-${name}`} style=${{ flexGrow: account[name] / Math.max(parts, 1) }}></span>` : null)}</div>
    <p class="identity num"><span><b>${count(account.created)}</b> created</span><i>${account.balanced ? "=" : "≠"}</i>
      ${PARTS.map(([name, text], i) => html`${i ? html`<i>+</i>` : null}<span class=${account[name] && name === "dropped" ? "error-text" : ""}><b>${count(account[name])}</b> <span class=${`swatch part-${name}`}></span>${text}</span>`)}
      ${account.balanced ? null : html`<span class="error-text">${plural(Math.abs(account.created - parts), "record")} ${account.created > parts ? "unaccounted for" : "too many"}</span>`}</p>
    ${reasons.length ? html`<p class="faint">Dropped: ${reasons.map(([reason, n], i) => html`${i ? ", " : ""}<span class="num">${count(n)}</span> ${line(reason, 40)}`)}</p>` : null}
  </section>`;
}
