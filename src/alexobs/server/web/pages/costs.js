import { html } from "../html.js";
export const Costs = () => html`<p>Costs</p>`;
