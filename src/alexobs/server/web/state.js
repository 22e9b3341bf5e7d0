// The URL is the state: `#/page/id?params`. Everything that a link should keep stands there.
import { computed, signal } from "./html.js";

export const PAGES = ["overview", "traces", "sessions", "logs", "costs", "health"];
export const RANGES = [
  ["15m", "15 minutes", 900_000],
  ["1h", "1 hour", 3_600_000],
  ["6h", "6 hours", 21_600_000],
  ["24h", "24 hours", 86_400_000],
  ["7d", "7 days", 604_800_000],
  ["30d", "30 days", 2_592_000_000],
  ["all", "all time", null],
];

/** The parts of a location hash; anything unknown is the overview. */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [page, ...rest] = path.split("/");
  return {
    page: PAGES.includes(page) ? page : "overview",
    id: rest.length ? decoded(rest.join("/")) : null,
    params: new URLSearchParams(query),
  };
}

function decoded(text) {
  try {
    return decodeURIComponent(text) || null;
  } catch {
    return null;
  }
}

/** The hash of a place: a page, an id, and parameters; null and empty ones are left out. */
export function link(page, id = null, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") query.append(name, String(one));
    }
  }
  const path = id === null || id === undefined ? page : `${page}/${encodeURIComponent(id)}`;
  const text = query.toString();
  return `#/${path}${text ? `?${text}` : ""}`;
}

export const route = signal(parse(globalThis.location?.hash ?? ""));

export function go(hash, { replace = false } = {}) {
  if (hash === location.hash) return;
  if (replace) history.replaceState(null, "", hash);
  else history.pushState(null, "", hash);
  route.value = parse(hash);
}

/** All parameters of the present place as an object; those given several times as lists. */
export function current() {
  const params = {};
  for (const name of new Set(route.value.params.keys())) {
    const values = route.value.params.getAll(name);
    params[name] = values.length > 1 ? values : values[0];
  }
  return params;
}

/** Change parameters of the present place. */
export function update(changes, options) {
  const { page, id } = route.value;
  go(link(page, id, { ...current(), ...changes }), options);
}

export const param = (name, fallback = null) => route.value.params.get(name) ?? fallback;
export const paramAll = (name) => route.value.params.getAll(name);

const DEFAULT_RANGE = {
  overview: "15m", traces: "24h", sessions: "7d", logs: "24h", costs: "30d", health: "24h",
};

/** The time window of the present place: absolute if from and to are given, else a range. */
export const range = computed(() => {
  const from = Number(param("from"));
  const to = Number(param("to"));
  if (from > 0 && to > from) return { from, to, name: null };
  const asked = param("range", DEFAULT_RANGE[route.value.page]);
  const known = RANGES.find(([name]) => name === asked) ?? RANGES[0];
  return { from: null, to: null, name: known[0], lengthMs: known[2] };
});

/**
 * The window as parameters of a request. A range ends now, or when the page was paused; it moves
 * in steps, so that an answer is asked for anew only when there is something to see.
 */
export function bounds(stepMs = 60_000) {
  const { from, to, lengthMs } = range.value;
  if (from) return { from, to };
  if (!lengthMs) return {};
  const end = Math.floor((pausedAt.value ?? Date.now()) / stepMs + 1) * stepMs;
  return { from: end - lengthMs, to: end };
}

/** What a link to another page keeps of the window. */
export function keptRange() {
  const { from, to, name } = range.value;
  return from ? { from, to } : { range: name };
}

// Preferences of this browser, not of a link.
function stored(name, fallback) {
  const value = signal(read(name) ?? fallback);
  value.subscribe((now) => {
    try {
      localStorage.setItem(`alexobs.${name}`, now);
    } catch { /* storage is switched off: the preference lasts as long as the page */ }
  });
  return value;
}

function read(name) {
  try {
    return localStorage.getItem(`alexobs.${name}`);
  } catch {
    return null;
  }
}

export const theme = globalThis.document ? stored("theme", "auto") : signal("auto");
export const pausedAt = signal(null);
export const paused = computed(() => pausedAt.value !== null);
/** Grows when the page goes on after a pause: what came in meanwhile was not told, so all is asked again. */
export const resumed = signal(0);
export function pause(on) {
  pausedAt.value = on ? Date.now() : null;
  if (!on) resumed.value += 1;
}
export const helpOpen = signal(false);

if (globalThis.document) {
  const follow = () => { route.value = parse(location.hash); };
  addEventListener("hashchange", follow);
  addEventListener("popstate", follow);
  theme.subscribe((name) => {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
  });
}
