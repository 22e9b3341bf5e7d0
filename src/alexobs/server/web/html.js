// One place through which every module reaches the rendering library.
import { h, render, Fragment, createRef } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { render, Fragment, createRef };
export {
  useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback,
} from "./vendor/preact-hooks.js";
export { signal, computed, effect, batch, useSignal, useComputed } from "./vendor/signals.js";
export const html = htm.bind(h);
