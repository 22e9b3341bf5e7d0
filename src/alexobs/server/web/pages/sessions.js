import { html } from "../html.js";
export const Sessions = () => html`<p>Sessions</p>`;
