// Values in, text out. Pure: used by the page and by its tests alike.

const NONE = "–";
const missing = (value) => value === null || value === undefined || Number.isNaN(value);

// Made once: making one takes a hundred times longer than using it.
const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const CENTS = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

function significant(value, digits) {
  const rounded = Number(value.toPrecision(digits));
  return Math.abs(rounded) < 1000 ? String(rounded) : WHOLE.format(rounded);
}

/** Milliseconds as a person reads them: 420 µs, 84 ms, 1.24 s, 2m 05s, 3h 10m. */
export function duration(ms) {
  if (missing(ms)) return NONE;
  if (ms < 0) return `-${duration(-ms)}`;
  if (ms === 0) return "0 ms";
  if (ms < 0.9995) return `${significant(ms * 1000, 3)} µs`;
  if (ms < 999.5) return `${significant(ms, 3)} ms`;
  if (ms < 59_995) return `${(ms / 1000).toFixed(ms < 9_995 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${pad(seconds % 60)}s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)}h ${pad(minutes % 60)}m`;
  const hours = Math.floor((minutes % 1440) / 60);
  return `${Math.floor(minutes / 1440)}d${hours ? ` ${hours}h` : ""}`;
}

/** US dollars; small amounts keep two significant digits, because calls cost fractions of a cent. */
export function usd(value) {
  if (missing(value)) return NONE;
  if (value === 0) return "$0";
  const size = Math.abs(value);
  const sign = value < 0 ? "-" : "";
  if (size < 1e-6) return `${sign}<$0.000001`;
  if (size < 0.1) {
    const decimals = Math.min(8, 1 - Math.floor(Math.log10(size)));
    return `${sign}$${size.toFixed(decimals)}`;
  }
  if (size < 1) return `${sign}$${size.toFixed(3)}`;
  return `${sign}$${(size < 1000 ? CENTS : WHOLE).format(size)}`;
}

/** A number in at most four characters and a letter: 999, 1.2k, 34k, 1.2M. */
export function compact(value) {
  if (missing(value)) return NONE;
  const size = Math.abs(value);
  if (size < 1000) return significant(value, 3);
  for (const [limit, unit, letter] of [[999_500, 1e3, "k"], [999_500_000, 1e6, "M"], [Infinity, 1e9, "G"]]) {
    if (size < limit) return `${(value / unit).toFixed(size / unit < 9.95 ? 1 : 0)}${letter}`;
  }
  return NONE;
}

export const count = (value) => missing(value) ? NONE : WHOLE.format(value);
export const percent = (share) => missing(share) ? NONE
  : `${(share * 100).toFixed(share !== 0 && Math.abs(share) < 0.0995 ? 1 : 0)}%`;

export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function bytes(value) {
  if (missing(value)) return NONE;
  let size = value;
  for (const unit of ["B", "KB", "MB", "GB"]) {
    if (size < 999.5) return `${significant(size, 3)} ${unit}`;
    size /= 1000;
  }
  return `${significant(size, 3)} TB`;
}

const pad = (value, width = 2) => String(value).padStart(width, "0");

/** Local wall clock: 14:03:22, with milliseconds if asked. */
export function clock(ms, withMillis = false) {
  if (missing(ms)) return NONE;
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return NONE;
  const text = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  return withMillis ? `${text}.${pad(at.getMilliseconds(), 3)}` : text;
}

export function day(ms) {
  const at = new Date(ms);
  if (missing(ms) || Number.isNaN(at.getTime())) return NONE;
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
}

export const moment = (ms) => missing(ms) ? NONE : `${day(ms)} ${clock(ms)}`;

/** How long ago, in one unit. */
export function ago(ms, now = Date.now()) {
  if (missing(ms)) return NONE;
  const seconds = Math.round((now - ms) / 1000);
  if (seconds < 0) return clock(ms);
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds}s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h ago`;
  return seconds < 30 * 86_400 ? `${Math.floor(seconds / 86_400)}d ago` : day(ms);
}

/** Text from telemetry, with what would reorder or hide it made visible. */
export function visible(text) {
  return String(text).replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
    (mark) => mark === "\r" ? "" : `‹U+${pad(mark.charCodeAt(0).toString(16).toUpperCase(), 4)}›`,
  );
}

/** One line of at most `limit` characters. */
export function line(text, limit = 200) {
  const flat = visible(text).replace(/\s+/g, " ").trim();
  return flat.length > limit ? `${flat.slice(0, limit - 1)}…` : flat;
}

/** JSON text as indented JSON; anything else as it is. */
export function pretty(value) {
  if (typeof value !== "string") return JSON.stringify(value, null, 2) ?? NONE;
  const first = value.trimStart()[0];
  if (first !== "{" && first !== "[") return value;
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}

export const shortId = (id) => String(id ?? "").slice(0, 8);
