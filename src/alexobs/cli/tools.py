"""What a coding agent can ask `alexobs mcp`: a table of tools, each a question to the API."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from alexobs.cli.client import moment_ms
from alexobs.cli.trees import rows_of
from alexobs.errors import AlexobsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from alexobs.cli.client import Client

MAX_CHARS: Final = 12_000
MAX_SPANS: Final = 10_000


class ToolUseError(AlexobsError):
    """A tool was called in a way that its schema does not allow."""


def _field(kind: str, description: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "description": description, **more}


_TIMES: Final = {
    "since": _field("string", "30m, 12h, 7d, or a time as 2026-01-31T09:00"),
    "until": _field("string", "the same; default: now"),
}
_OFFSET: Final = {
    "offset": _field("integer", "characters of the answer to skip: for the rest of a long one")
}
_LIMIT: Final = {"limit": _field("integer", "how many at most", minimum=1, maximum=500)}
_CURSOR: Final = {"cursor": _field("string", "next_cursor of the answer before")}
_SORTS: Final = ["start", "duration", "cost", "tokens", "spans", "errors"]
_SORT: Final = {"sort": _field("string", "what to sort by, largest first", enum=_SORTS)}


@dataclass(frozen=True)
class Tool:
    """One tool: its arguments' schemas, those that are required, and what answers it."""

    name: str
    description: str
    answer: Callable[[Client, dict[str, Any]], Any]
    arguments: dict[str, dict[str, Any]]
    required: tuple[str, ...] = ()

    def described(self) -> dict[str, Any]:
        """Return the tool as the protocol has it."""
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": {
                "type": "object",
                "properties": self.arguments | _OFFSET,
                "required": list(self.required),
                "additionalProperties": False,
            },
            "annotations": {"readOnlyHint": True, "openWorldHint": False},
        }


def _window(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "from_": moment_ms(given.pop("since", "")),
        "to": moment_ms(given.pop("until", "")),
    }


def _list_sessions(client: Client, given: dict[str, Any]) -> Any:
    window = _window(given)
    return client.get("sessions", **{"limit": 20, **given}, **window)


def _get_session(client: Client, given: dict[str, Any]) -> Any:
    session = quote(given.pop("session_id"), safe="")
    return client.get(f"sessions/{session}", **{"limit": 50, **given})


def _search_traces(client: Client, given: dict[str, Any]) -> Any:
    window = _window(given)
    given["q"] = given.pop("query", None)
    return client.get("traces", **{"limit": 20, **given}, **window)


def _errors(client: Client, given: dict[str, Any]) -> Any:
    since_ms = moment_ms(given.get("since", "") or "24h")
    query = (  # of what was given, only numbers stand in it
        "SELECT error_type, kind, name, model, tool_name, count(*) AS times, "  # noqa: S608
        "max(start_time)::VARCHAR AS last, any_value(status_message) AS message, "
        "arg_max(trace_id, start_time) AS trace_id, arg_max(span_id, start_time) AS span_id "
        f"FROM spans WHERE status = 'error' AND epoch_ms(start_time) >= {since_ms} "
        f"GROUP BY ALL ORDER BY times DESC LIMIT {given.get('limit', 20)}"
    )
    found = client.post("sql", {"query": query})
    return {"errors": [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]}


def _get_trace(client: Client, given: dict[str, Any]) -> str:
    """Return a trace as an indented outline: a tenth of its JSON."""
    rows = list(rows_of(client, _id(given["trace_id"]), MAX_SPANS))
    depth: dict[str, int] = {}
    lines = [f"{len(rows)} spans. span_id, indent, kind name, status, ms, tokens, cost, error"]
    for row in rows:
        level = depth.get(row["parent_span_id"] or "", -1) + 1
        depth[row["span_id"]] = level
        lines.append(f"{row['span_id']} {'  ' * min(level, 30)}{_outline(row)}")
    return "\n".join(lines)


def _outline(row: dict[str, Any]) -> str:
    duration = row["duration_ms"]
    parts = [
        f"{row['kind']} {row['model'] or row['tool'] or row['name']}",
        row["status"],
        "" if duration is None else f"{duration:.0f} ms",
        f"{row['input_tokens']}+{row['output_tokens']} tokens" if row["input_tokens"] else "",
        "" if row["cost_usd"] is None else f"${row['cost_usd']:.6f}",
        f"unpriced: {row['unpriced']}" if row["unpriced"] else "",
        " ".join(f"error: {row['error']}".split())[:300] if row["error"] else "",
    ]
    return ", ".join(part for part in parts if part)


def _get_span(client: Client, given: dict[str, Any]) -> Any:
    return client.get(f"spans/{_id(given['trace_id'])}/{_id(given['span_id'])}")


def _id(given: str) -> str:
    return quote(given, safe="")


def _costs(client: Client, given: dict[str, Any]) -> Any:
    window = _window(given)
    return client.get("costs", **{"limit": 10, **given}, **window)


def _sql(client: Client, given: dict[str, Any]) -> Any:
    return client.post("sql", {"query": given["query"], "max_rows": given.get("limit", 200)})


_STATUS: Final = {
    "status": _field("string", "status", enum=["success", "error", "cancelled", "running"])
}
TOOLS: Final = {
    tool.name: tool
    for tool in (
        Tool(
            "list_sessions",
            "Sessions of agents with status, time, calls, tokens and cost.",
            _list_sessions,
            {"q": _field("string", "text to look for"), **_STATUS, **_SORT, **_TIMES, **_LIMIT}
            | _CURSOR,
        ),
        Tool(
            "get_session",
            "One session as a conversation: LLM and tool calls with messages and results.",
            _get_session,
            {"session_id": _field("string", "session id"), **_LIMIT, **_CURSOR},
            ("session_id",),
        ),
        Tool(
            "search_traces",
            "Traces by text, model, tool, status; sorted by time, duration, cost or tokens.",
            _search_traces,
            {
                "query": _field("string", "text to look for, in contents as well"),
                "model": _field("string", "a span has this model"),
                "tool": _field("string", "a span has this tool"),
                "session": _field("string", "session id"),
                "min_duration_ms": _field("number", "not shorter"),
                "min_cost_usd": _field("number", "not cheaper"),
                **_STATUS,
                **_SORT,
                **_TIMES,
                **_LIMIT,
                **_CURSOR,
            },
        ),
        Tool(
            "get_trace",
            "All spans of a trace as an outline, with span ids for get_span.",
            _get_trace,
            {"trace_id": _field("string", "32 hexadecimal digits")},
            ("trace_id",),
        ),
        Tool(
            "get_span",
            "One span: messages, tool arguments and result, price, attributes, events, logs.",
            _get_span,
            {
                "trace_id": _field("string", "32 hexadecimal digits"),
                "span_id": _field("string", "16 hexadecimal digits"),
            },
            ("trace_id", "span_id"),
        ),
        Tool(
            "costs",
            "Spend by day, model, agent, service, session, user; unpriced calls; 30 days.",
            _costs,
            {
                "model": _field("string", "of this model"),
                **_TIMES,
                "limit": _field("integer", "rows per list", minimum=1, maximum=200),
            },
        ),
        Tool(
            "errors",
            "Failed spans of the last day by type and place, each with an example.",
            _errors,
            {"since": _TIMES["since"], **_LIMIT},
        ),
        Tool(
            "sql",
            "One SELECT over the views spans, logs, metric_points, sessions, messages (DuckDB).",
            _sql,
            {"query": _field("string", "the query"), **_LIMIT},
            ("query",),
        ),
    )
}


def call(client: Client, name: Any, arguments: Any) -> str:
    """Return what the tool answers, or the part of it that begins at ``offset``.

    Raises:
        ToolUseError: there is no such tool, or it does not take these arguments.
    """
    tool = TOOLS.get(name) if isinstance(name, str) else None
    if tool is None:
        raise ToolUseError(f"no tool is called {str(name)[:80]!r}; there are {', '.join(TOOLS)}")
    given = _checked(tool, arguments)
    offset = given.pop("offset", 0)
    answer = tool.answer(client, given)
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    part = text[offset : offset + MAX_CHARS]
    end = offset + len(part)
    if end < len(text):
        part += f"\n[characters {offset} to {end} of {len(text)}; offset={end} goes on]"
    return part


_PYTHON: Final[dict[str, Any]] = {"string": str, "integer": int, "number": (int, float)}


def _checked(tool: Tool, arguments: Any) -> dict[str, Any]:
    given = {} if arguments is None else arguments
    if not isinstance(given, dict):
        raise ToolUseError("arguments have to be an object")
    known = tool.arguments | _OFFSET
    missing = [name for name in tool.required if not given.get(name)]
    if missing:
        raise ToolUseError(f"{tool.name} needs {', '.join(missing)}")
    for name, value in given.items():
        if name not in known:
            raise ToolUseError(f"{tool.name} takes {', '.join(known)}; not {str(name)[:80]!r}")
        schema = known[name]
        fits = isinstance(value, _PYTHON[schema["type"]]) and not isinstance(value, bool)
        low, high = schema.get("minimum", 0), schema.get("maximum", float("inf"))
        if not fits or (schema["type"] != "string" and not low <= value <= high):
            raise ToolUseError(f"{name} has to be a {schema['type']}: {schema['description']}")
    return dict(given)
