// Messages as a conversation, in the conventions' form ({role, parts}) and in the older ones.
import { html } from "./html.js";
import { line, plural, visible } from "./format.js";
import { Text, Value } from "./json.js";

const ROLES = new Set(["system", "user", "assistant", "tool"]);

/** A message of any generation as {role, parts}. */
export function message(value) {
  if (typeof value === "string") return { role: "", parts: [{ type: "text", content: value }] };
  if (!value || typeof value !== "object") return { role: "", parts: [{ type: "other", value }] };
  if (value.type && !value.role) return { role: "", parts: [value] };
  const parts = Array.isArray(value.parts) ? [...value.parts] : contents(value.content);
  if (Array.isArray(value.tool_calls)) parts.push(...value.tool_calls.map(oldCall));
  return { role: String(value.role ?? ""), name: value.name, finish: value.finish_reason, parts };
}

function contents(content) {
  if (content === null || content === undefined || content === "") return [];
  return (Array.isArray(content) ? content : [content]).map((one) => typeof one === "string" ? { type: "text", content: one } : one);
}

const oldCall = (call) => ({ type: "tool_call", id: call.id, name: call.function?.name ?? call.name, arguments: call.function?.arguments ?? call.arguments });

export function Conversation({ messages, hidden = 0 }) {
  return html`<div class="conversation">
    ${hidden ? html`<p class="faint hidden-messages">${plural(hidden, "earlier message")} as in the turn before</p>` : null}
    ${messages.map((one, i) => html`<${Message} key=${i} value=${one} />`)}
  </div>`;
}

export function Message({ value, as }) {
  const { role, name, parts, finish } = message(value);
  const who = role || as || "";
  return html`<article class=${`message role-${ROLES.has(who) ? who : "other"}`}>
    <header><span>${who ? line(who, 30) : "message"}</span>${name ? html`<bdi class="faint">${line(name, 40)}</bdi>` : null}
      ${finish && finish !== "stop" ? html`<span class="faint">${line(finish, 30)}</span>` : null}</header>
    ${parts.length ? parts.map((part, i) => html`<${Part} key=${i} part=${part} />`) : html`<p class="faint">empty</p>`}
  </article>`;
}

function Part({ part }) {
  if (typeof part === "string") return html`<${Text} text=${part} />`;
  if (!part || typeof part !== "object") return html`<${Value} value=${part} />`;
  switch (part.type) {
    case "text":
      return html`<${Text} text=${String(part.content ?? part.text ?? "")} />`;
    case "reasoning": case "thinking":
      return html`<div class="reasoning"><span class="part-name">reasoning</span><${Text} text=${String(part.content ?? part.text ?? part.thinking ?? "")} /></div>`;
    case "tool_call": case "tool_use":
      return html`<${Call} name=${part.name} id=${part.id} value=${part.arguments ?? part.input} what="calls" />`;
    case "tool_call_response": case "tool_result":
      return html`<${Call} name=${part.name} id=${part.id ?? part.tool_use_id} value=${part.response ?? part.result ?? part.content} what="result of" />`;
    case "blob": case "file": case "uri": case "image_url":
      return html`<div class="attachment"><span class="part-name">${part.type}</span> ${visible(part.mime_type ?? part.modality ?? "")} ${line(part.uri ?? part.file_id ?? "", 120)}</div>`;
    default:
      return html`<${Value} value=${part.content && Object.keys(part).length === 2 ? part.content : part} />`;
  }
}

export const Call = ({ name, id, value, what }) => html`<div class="call">
  <div class="call-head"><span class="kind kind-tool"></span>${what ? html`<span class="faint">${what}</span>` : null}<bdi class="mono strong">${line(name ?? id ?? "tool", 80)}</bdi>${id && name ? html`<bdi class="mono faint grow end">${line(id, 24)}</bdi>` : null}</div>
  ${value === null || value === undefined || ["", "{}"].includes(typeof value === "string" ? value.trim() : JSON.stringify(value)) ? null : html`<${Value} value=${value} />`}</div>`;
