// The agent's run as a graph: who called what, how often, how long and for how much.
import { html } from "./html.js";
import { duration, line, plural, usd } from "./format.js";
import { link } from "./state.js";

const WIDTH = 190;
const HEIGHT = 64;
const GAP = 18;

/** Nodes by agent, model and tool, and the edges between them, with counts and sums. Pure. */
export function graph(turns, agentOf) {
  const nodes = new Map();
  const edges = new Map();
  let model = null;
  for (const turn of turns) {
    const agent = node(nodes, 0, "session", turn.agent ?? agentOf);
    const isTool = turn.kind === "tool";
    const mine = node(nodes, isTool ? 2 : 1, isTool ? "tool" : turn.kind, (isTool ? turn.tool : turn.model) ?? turn.name);
    add(mine, turn);
    if (!isTool) model = mine;
    const from = isTool ? model ?? agent : agent;
    const key = `${from.key}\u0000${mine.key}`;
    edges.set(key, { from, to: mine, calls: (edges.get(key)?.calls ?? 0) + 1 });
    if (!isTool) add(agent, turn);
  }
  const columns = [0, 1, 2].map((column) => [...nodes.values()].filter((one) => one.column === column));
  const rows = Math.max(1, ...columns.map((column) => column.length));
  columns.forEach((column) => column.forEach((one, i) => {
    one.x = one.column * (WIDTH + 130);
    one.y = ((rows - column.length) / 2 + i) * (HEIGHT + GAP);
  }));
  return { nodes: [...nodes.values()], edges: [...edges.values()], width: 2 * (WIDTH + 130) + WIDTH, height: rows * (HEIGHT + GAP) - GAP };
}

function node(nodes, column, kind, name) {
  const key = `${column}${name}`;
  if (!nodes.has(key)) nodes.set(key, { key, column, kind, name, calls: 0, errors: 0, ms: 0, cost: 0, priced: 0 });
  return nodes.get(key);
}

function add(one, turn) {
  one.calls += 1;
  one.errors += turn.status === "error" ? 1 : 0;
  one.ms += turn.duration_ms ?? 0;
  if (turn.cost_usd !== null) { one.cost += turn.cost_usd; one.priced += 1; }
}

export function Graph({ turns, session }) {
  const { nodes, edges, width, height } = graph(turns, session.agent ?? "agent");
  const most = Math.max(1, ...edges.map((edge) => edge.calls));
  return html`<div class="graph"><svg viewBox=${`-4 -4 ${width + 8} ${height + 8}`} style=${{ width: `${width + 8}px` }} role="img" aria-label="Graph of the session">
    ${edges.map(({ from, to, calls }) => {
      const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2];
      const bend = (x2 - x1) / 2;
      return html`<g><path class="edge" d=${`M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`} stroke-width=${1 + 4 * (calls / most)} />
        <text class="edge-text" x=${(x1 + x2) / 2} y=${(y1 + y2) / 2 - 5} text-anchor="middle">${calls}×</text></g>`;
    })}
    ${nodes.map((one) => html`<a href=${link("traces", null, { session: session.session_id, range: "all", ...(one.column === 2 ? { tool: one.name } : one.column === 1 ? { model: one.name } : {}) })}>
      <g transform=${`translate(${one.x} ${one.y})`}><rect class=${`node node-${one.kind}`} width=${WIDTH} height=${HEIGHT} rx="8" /><rect class=${`node-mark mark-${one.kind}`} width="4" height=${HEIGHT - 16} x="0" y="8" rx="2" />
        <text class="node-name" x="16" y="26">${line(one.name, 24)}</text>
        <text class="node-text" x="16" y="46">${plural(one.calls, "call")} · ${duration(one.ms)}${one.priced ? ` · ${usd(one.cost)}` : ""}</text>
        ${one.errors ? html`<circle class="node-error" cx=${WIDTH - 14} cy="16" r="9" /><text class="node-error-text" x=${WIDTH - 14} y="20" text-anchor="middle">${one.errors}</text>` : null}</g></a>`)}
  </svg></div>`;
}
