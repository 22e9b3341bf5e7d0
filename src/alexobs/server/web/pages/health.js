import { html } from "../html.js";
export const Health = () => html`<p>Health</p>`;
