// The frame: navigation, the page for the URL, and keys that work everywhere.
import { html, render, useEffect } from "./html.js";
import { PAGES, go, helpOpen, keptRange, link, pause, paused, route, theme } from "./state.js";
import { Icon } from "./parts.js";
import { reachable } from "./api.js";
import { Help, listen } from "./keys.js";
import { Overview } from "./pages/overview.js";
import { Traces } from "./pages/traces.js";
import { Sessions } from "./pages/sessions.js";
import { Logs } from "./pages/logs.js";
import { Costs } from "./pages/costs.js";
import { Health } from "./pages/health.js";

const VIEWS = { overview: Overview, traces: Traces, sessions: Sessions, logs: Logs, costs: Costs, health: Health };
const TITLES = { overview: "Overview", traces: "Traces", sessions: "Sessions", logs: "Logs", costs: "Costs", health: "Health" };
const THEMES = { auto: "Auto", light: "Light", dark: "Dark" };
const NEXT_THEME = { auto: "light", light: "dark", dark: "auto" };

function Side() {
  const here = route.value.page;
  return html`<nav class="side" aria-label="Pages">
    <a class="brand" href=${link("overview")}><img src="icon.svg" alt="" width="28" height="28" /><span>alexobs</span></a>
    <ul>${PAGES.map((page, index) => html`<li><a href=${link(page)} title=${`${TITLES[page]} (${index + 1})`} aria-current=${here === page ? "page" : undefined}>
      <${Icon} name=${page} /><span>${TITLES[page]}</span></a></li>`)}</ul>
    <div class="side-foot">
      ${reachable.value ? null : html`<div class="offline" role="alert">Server not reachable</div>`}
      <button type="button" class="quiet" onClick=${() => { theme.value = NEXT_THEME[theme.value]; }} title="Theme (t)">${THEMES[theme.value]}</button>
      <button type="button" class="quiet" onClick=${() => { helpOpen.value = true; }}>Keys <kbd>?</kbd></button>
    </div>
  </nav>`;
}

function App() {
  const { page, id } = route.value;
  useEffect(() => { document.title = `${TITLES[page]}${id ? ` ${id.slice(0, 8)}` : ""} · alexobs`; }, [page, id]);
  const View = VIEWS[page];
  return html`<a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.querySelector("main").focus(); }}>Skip to content</a>
    <${Side} />
    <main class=${`page page-${page}`} tabindex="-1"><${View} key=${page} /></main>
    ${helpOpen.value ? html`<${Help} />` : null}`;
}

listen({
  "?": () => { helpOpen.value = !helpOpen.value; },
  Escape: () => { helpOpen.value = false; },
  "/": () => document.querySelector("[data-search]")?.focus(),
  t: () => { theme.value = NEXT_THEME[theme.value]; },
  p: () => pause(!paused.value),
  ...Object.fromEntries(PAGES.map((page, index) => [String(index + 1), () => go(link(page, null, page === route.value.page ? keptRange() : {}))])),
});

render(html`<${App} />`, document.getElementById("app"));
