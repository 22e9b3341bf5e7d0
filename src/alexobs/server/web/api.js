// Requests to the server: one shape of error, one hook that keeps the old answer while it asks again.
import { useEffect, useRef, useState } from "./html.js";
import { signal } from "./html.js";

export class ApiError extends Error {
  constructor(status, code, message, hint = "") {
    super(message);
    Object.assign(this, { status, code, hint });
  }
}

/** True while the last request reached the server. */
export const reachable = signal(true);

function address(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") query.append(name, String(one));
    }
  }
  const text = query.toString();
  return `/api/${path}${text ? `?${text}` : ""}`;
}

export const segment = encodeURIComponent;

/** The JSON answer of an endpoint; throws ApiError in words for the reader. */
export async function get(path, params = {}, signal_ = undefined) {
  let response;
  try {
    response = await fetch(address(path, params), { signal: signal_, headers: { accept: "application/json" } });
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    reachable.value = false;
    throw new ApiError(0, "unreachable", "The server does not answer",
      "Is `alexobs up` still running? This page asks again by itself.");
  }
  reachable.value = true;
  if (response.ok) return response.json();
  const body = await response.json().catch(() => null);
  const { code = "error", message = `The server answered ${response.status}`, hint = "" } = body?.error ?? {};
  throw new ApiError(response.status, code, message, hint);
}

/** All pages of an answer: `take(page)` is called with each, until there is no next cursor. */
export async function pages(path, params, take, signal_) {
  let cursor = null;
  do {
    const page = await get(path, { ...params, cursor }, signal_);
    take(page);
    cursor = page.next_cursor;
  } while (cursor);
}

/**
 * The answer of `path` with `params`, asked again whenever they or `again` change.
 * While a new answer is under way the old one stays (`loading` tells).
 */
export function useAnswer(path, params = {}, again = 0) {
  const key = path === null ? null : address(path, params);
  const [state, set] = useState({ data: null, error: null, loading: key !== null, key: null });
  const turn = useRef(0);
  useEffect(() => {
    if (key === null) {
      set({ data: null, error: null, loading: false, key });
      return undefined;
    }
    const aborter = new AbortController();
    const mine = ++turn.current;
    set((old) => ({ ...old, loading: true }));
    get(path, params, aborter.signal).then(
      (data) => mine === turn.current && set({ data, error: null, loading: false, key }),
      (error) => {
        if (error.name !== "AbortError" && mine === turn.current) {
          set((old) => ({ data: old.data, error, loading: false, key }));
        }
      },
    );
    return () => aborter.abort();
  }, [key, again]);
  return state;
}

/** A number that grows every `everyMs` while the page is visible and `on` is true. */
export function useTick(everyMs, on = true) {
  const [tick, set] = useState(0);
  useEffect(() => {
    if (!on) return undefined;
    const timer = setInterval(() => { if (!document.hidden) set((n) => n + 1); }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs, on]);
  return tick;
}

/**
 * Listen to the server's events while `on`: `handle(type, data)` for each. The browser reconnects
 * by itself and says where it was. Hidden pages do not listen.
 */
export function useLive(params, handle, on = true) {
  const latest = useRef(handle);
  latest.current = handle;
  const key = address("live", params);
  useEffect(() => {
    if (!on) return undefined;
    const source = new EventSource(key);
    const listen = (type) => source.addEventListener(type, (event) => {
      reachable.value = true;
      latest.current(type, JSON.parse(event.data || "null"));
    });
    ["spans", "logs", "reset"].forEach(listen);
    return () => source.close();
  }, [key, on]);
}
