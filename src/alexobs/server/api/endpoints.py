"""The endpoints: what each is called, takes and answers; the rest is made from this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from alexobs.server.api.parameters import MAX_MS, Parameter

KINDS: Final = ("session", "iteration", "llm", "embedding", "tool", "span")
STATUSES: Final = ("success", "error", "cancelled", "running")
LEVELS: Final = ("debug", "info", "warn", "error")
SIGNALS: Final = ("spans", "logs", "metric_points", "messages")
MAX_TRACE_SPANS: Final = 10_000
_TEXT_ID: Final = "[0-9a-fA-F]"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. ``handler`` is ``module:function`` in this package.

    ``answer`` names a shape, or is a media type for what is not one JSON value.
    """

    path: str
    handler: str
    summary: str
    answer: str
    parameters: tuple[Parameter, ...] = ()
    method: Literal["GET", "POST"] = "GET"


def _text(name: str, description: str, *, many: bool = False) -> Parameter:
    return Parameter(name, "string", description, many=many)


def _any_of(name: str, what: str, choices: tuple[str, ...] = ()) -> Parameter:
    return Parameter(name, "string", f"{what}; several may be given", choices=choices, many=True)


def _limit(default: int, most: int) -> Parameter:
    return Parameter("limit", "integer", "how many at most", default, 1, most)


FROM: Final = Parameter("from", "integer", "start of the window, Unix ms", None, 0, MAX_MS)
TO: Final = Parameter("to", "integer", "end of the window (exclusive), Unix ms", None, 0, MAX_MS)
STEP: Final = Parameter(
    "step", "integer", "s between points, a multiple of 60; default: about 60 points", None, 60,
    31_536_000, multiple_of=60,
)  # fmt: skip
CURSOR: Final = Parameter(
    "cursor", "string", "next_cursor of the answer before; the other parameters stay the same",
    pattern="[A-Za-z0-9_-]{1,1024}",
)  # fmt: skip
ORDER: Final = Parameter("order", "string", "direction", "desc", choices=("desc", "asc"))
QUERY: Final = _text("q", "text to look for")
MODEL, TOOL = _any_of("model", "model"), _any_of("tool", "tool")
SERVICE, AGENT = _any_of("service", "service"), _any_of("agent", "agent")
STATUS: Final = _any_of("status", "status", STATUSES)
SESSION, USER = _text("session", "session id"), _text("user", "user id")
TRACE_ID: Final = Parameter(
    "trace_id", "string", "32 hexadecimal digits", pattern=f"{_TEXT_ID}{{32}}", place="path"
)
SPAN_ID: Final = Parameter(
    "span_id", "string", "16 hexadecimal digits", pattern=f"{_TEXT_ID}{{16}}", place="path"
)
_SORTS: Final = ("start", "duration", "cost", "tokens", "spans", "errors")
SORT: Final = Parameter("sort", "string", "what to sort by", "start", choices=_SORTS)
WINDOW: Final = (FROM, TO)

ENDPOINTS: Final = (
    Endpoint(
        "/api/panels", "panels:panels",
        "The eight panels of the overview; without from and to, the last 15 minutes",
        "Panels", (*WINDOW, STEP, MODEL, TOOL, SERVICE),
    ),
    Endpoint(
        "/api/facets", "panels:facets",
        "Values that filters can take, each with how many spans (users: traces) have it",
        "Facets", WINDOW,
    ),
    Endpoint(
        "/api/traces", "traces:traces",
        "Traces; q looks into names, ids, errors and contents", "Traces",
        (
            *WINDOW, QUERY, STATUS, MODEL, TOOL, SERVICE, AGENT, SESSION, USER,
            Parameter("min_duration_ms", "number", "not shorter", None, 0, 1e12),
            Parameter("min_cost_usd", "number", "not cheaper", None, 0, 1e12),
            SORT, ORDER, _limit(50, 500), CURSOR,
        ),
    ),
    Endpoint(
        "/api/traces/{trace_id}", "traces:trace",
        "All spans of a trace as parallel arrays, by start; from_ms and to_ms (since the trace's "
        "start) pick those that overlap a window", "TraceSpans",
        (
            TRACE_ID,
            Parameter("from_ms", "number", "start of the window, ms since the trace's start", None,
                      0, 1e13),
            Parameter("to_ms", "number", "end of the window, ms since the trace's start", None, 0,
                      1e13),
            _limit(MAX_TRACE_SPANS, MAX_TRACE_SPANS), CURSOR,
        ),
    ),
    Endpoint(
        "/api/spans/{trace_id}/{span_id}", "spans:span",
        "One span with attributes, contents, price, events, links and logs", "Span",
        (TRACE_ID, SPAN_ID),
    ),
    Endpoint(
        "/api/sessions", "sessions:sessions", "Sessions", "Sessions",
        (*WINDOW, QUERY, STATUS, SERVICE, AGENT, USER, SORT, ORDER, _limit(50, 500), CURSOR),
    ),
    Endpoint(
        "/api/sessions/{session_id}", "sessions:session",
        "One session's LLM and tool calls as turns of a conversation, oldest first; a message "
        "that an earlier turn of the page showed is counted, not repeated", "SessionTurns",
        (
            Parameter("session_id", "string", "session id", place="path"), _limit(200, 1000),
            CURSOR,
        ),
    ),
    Endpoint(
        "/api/logs", "logs:logs", "Log lines; q looks into bodies and fields", "Logs",
        (
            *WINDOW, QUERY, Parameter("level", "string", "not below", choices=LEVELS), SERVICE,
            SESSION,
            Parameter("trace", "string", "trace id", pattern=f"{_TEXT_ID}{{32}}"),
            Parameter("span", "string", "span id", pattern=f"{_TEXT_ID}{{16}}"),
            ORDER, _limit(100, 1000), CURSOR,
        ),
    ),
    Endpoint("/api/metrics", "metrics:metrics", "Names of metrics", "Metrics", (QUERY, SERVICE)),
    Endpoint(
        "/api/metrics/{name}", "metrics:metric",
        "Series of one metric: the last point of each step; without from and to, the last hour",
        "MetricSeries",
        (
            Parameter("name", "string", "name of the metric", place="path"), *WINDOW,
            Parameter("step", "integer", "s between points", None, 1, 31_536_000), SERVICE,
            Parameter("limit", "integer", "series at most", 50, 1, 500),
        ),
    ),
    Endpoint(
        "/api/costs", "costs:costs",
        "Spend by day, model, agent, service, session, user and token bucket; without from and "
        "to, the last 30 days", "Costs",
        (
            *WINDOW, MODEL, SERVICE,
            Parameter("utc_offset_min", "integer", "where days begin, minutes east of UTC", 0,
                      -840, 840),
            Parameter("limit", "integer", "rows per list at most", 20, 1, 200),
        ),
    ),
    Endpoint(
        "/api/accounting", "accounting:accounting",
        "What became of every record, per process: created = exported + sampled_out + dropped "
        "+ waiting", "Accounting", WINDOW,
    ),
    Endpoint("/api/store", "store_state:store_state", "Size, retention, ingest rate", "StoreState"),
    Endpoint(
        "/api/live", "live:live",
        "Server-sent events: `spans` (LiveSpans: started ones have the status running and come "
        "again when they end) and `logs` (LiveLogs) as they are committed, `reset` (LiveReset) "
        "when the client has missed too much and is to load anew; Last-Event-ID resumes",
        "text/event-stream",
        (
            Parameter("trace", "string", "of this trace only", pattern=f"{_TEXT_ID}{{32}}"),
            Parameter("session", "string", "of this session only"),
            Parameter("after", "integer", "commit to begin after, as Last-Event-ID", None, 0,
                      MAX_MS),
            Parameter("max_s", "number", "end after so many seconds", 3600, 0, 3600),
        ),
    ),
    Endpoint(
        "/api/export", "export:export", "Everything of one signal, as a file",
        "application/octet-stream",
        (
            Parameter("signal", "string", "what", "spans", choices=SIGNALS),
            Parameter("format", "string", "how", "jsonl", choices=("jsonl", "parquet")), *WINDOW,
        ),
    ),
    Endpoint(
        "/api/sql", "sql:sql",
        "The answer to a query over the views spans, logs, metric_points, sessions and messages",
        "SqlAnswer", (), "POST",
    ),
)  # fmt: skip
