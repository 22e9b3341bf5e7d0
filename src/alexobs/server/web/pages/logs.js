import { html } from "../html.js";
export const Logs = () => html`<p>Logs</p>`;
