"""The forms of answers, in a short notation, and their JSON Schemas.

``"int"``, ``"num"``, ``"str"``, ``"bool"``, ``"any"``, each with ``?`` where null may stand;
``[shape]`` is a list, ``{"key": shape}`` an object with exactly these keys, ``{"*": shape}`` an
object with any keys, and ``"Name"`` a shape of `SHAPES`. A key with ``?`` may be absent.
"""

from __future__ import annotations

from typing import Any, Final

_TYPES: Final = {"int": "integer", "num": "number", "str": "string", "bool": "boolean"}

_TOKENS: Final = {
    "uncached_input": "int",
    "cache_read": "int",
    "cache_write": "int",
    "output": "int",
    "reasoning": "int",
}
_SUMS: Final = {
    "spans": "int",
    "errors": "int",
    "llm_calls": "int",
    "tool_calls": "int",
    "input_tokens": "int",
    "output_tokens": "int",
    "cost_usd": "num?",
    "unpriced_calls": "int",
}
_CALL: Final = {
    "start_ms": "num",
    "duration_ms": "num?",
    "name": "str",
    "kind": "str",
    "status": "str",
    "error": "str?",
    "service": "str?",
    "model": "str?",
    "provider": "str?",
    "tool": "str?",
    "agent": "str?",
    "iteration": "int?",
    "ttft_ms": "num?",
}
_COST: Final = {"cost_usd": "num?", "llm_calls": "int", "unpriced_calls": "int"}
_PANEL_NUMBERS: Final = {
    "unit": "str",
    "series": [{"labels": {"*": "str"}, "values": ["num?"]}],
}
_PANEL_SHARES: Final = {"unit": "str", "shares": [{"labels": {"*": "str"}, "value": "num"}]}

SHAPES: Final[dict[str, Any]] = {
    "Error": {"error": {"code": "str", "message": "str", "hint?": "str"}},
    "Panels": {
        "from_ms": "int",
        "to_ms": "int",
        "step_s": "int",
        "times_ms": ["int"],
        "panels": {
            "llm_requests": _PANEL_NUMBERS,
            "llm_latency": _PANEL_NUMBERS,
            "tokens": _PANEL_NUMBERS,
            "cost": {**_PANEL_NUMBERS, "total_usd": "num?", "unpriced_calls": "int"},
            "active_sessions": {"unit": "str", "value": "int"},
            "tool_usage": _PANEL_SHARES,
            "tool_duration": _PANEL_NUMBERS,
            "model_usage": _PANEL_SHARES,
        },
    },
    "Facet": [{"value": "str", "count": "int"}],
    "Facets": {
        "facets": {
            "model": "Facet",
            "tool": "Facet",
            "service": "Facet",
            "agent": "Facet",
            "user": "Facet",
            "status": "Facet",
        }
    },
    "Trace": {
        "trace_id": "str",
        "root_span_id": "str?",
        "start_ms": "num",
        "duration_ms": "num?",
        "name": "str?",
        "kind": "str?",
        "status": "str",
        "service": "str?",
        "session_id": "str?",
        "user_id": "str?",
        "agent": "str?",
        "model": "str?",
        **_SUMS,
    },
    "Traces": {"traces": ["Trace"], "next_cursor": "str?"},
    "TraceSpans": {
        "trace": "Trace",
        "columns": {
            "span_id": ["str"],
            "parent_span_id": ["str?"],
            "start_ms": ["num"],
            "duration_ms": ["num?"],
            **{
                name: [shape]
                for name, shape in _CALL.items()
                if name not in {"start_ms", "duration_ms"}
            },
            "input_tokens": ["int?"],
            "output_tokens": ["int?"],
            "cost_usd": ["num?"],
            "unpriced": ["str?"],
        },
        "next_cursor": "str?",
    },
    "Price": {
        "cost_usd": "num?",
        "price_id": "str?",
        "price_date": "str?",
        "unpriced": "str?",
        "tokens": {name: f"{shape}?" for name, shape in _TOKENS.items()},
        "raw_usage": "any",
    },
    "Contents": {
        "system_instructions": ["any"],
        "input_messages": ["any"],
        "output_messages": ["any"],
        "tool_definitions": ["any"],
        "tool_arguments": "any",
        "tool_result": "any",
    },
    "Log": {
        "time_ms": "num",
        "level": "str",
        "severity": "int",
        "body": "str",
        "event_name": "str?",
        "service": "str?",
        "scope": "str?",
        "trace_id": "str?",
        "span_id": "str?",
        "session_id": "str?",
        "attributes": {"*": "any"},
    },
    "Span": {
        "trace_id": "str",
        "span_id": "str",
        "parent_span_id": "str?",
        **_CALL,
        "otel_kind": "str",
        "status_code": "str",
        "status_message": "str?",
        "scope": "str?",
        "response_model": "str?",
        "operation": "str?",
        "session_id": "str?",
        "run_id": "str?",
        "parent_run_id": "str?",
        "user_id": "str?",
        "tool_call_id": "str?",
        "attempts": "int?",
        "price": "Price",
        "contents": "Contents",
        "attributes": {"*": "any"},
        "resource": {"*": "any"},
        "events": [{"name": "str", "time_ms": "num", "attributes": {"*": "any"}}],
        "links": [{"trace_id": "str", "span_id": "str", "attributes": {"*": "any"}}],
        "dropped": "int",
        "logs": ["Log"],
    },
    "Session": {
        "session_id": "str",
        "start_ms": "num",
        "end_ms": "num",
        "duration_ms": "num",
        "status": "str",
        "task": "str?",
        "service": "str?",
        "user_id": "str?",
        "agent": "str?",
        "model": "str?",
        "traces": "int",
        **_SUMS,
    },
    "Sessions": {"sessions": ["Session"], "next_cursor": "str?"},
    "Turn": {
        "trace_id": "str",
        "span_id": "str",
        "parent_span_id": "str?",
        **_CALL,
        "idle_ms": "num",
        "tokens": {name: f"{shape}?" for name, shape in _TOKENS.items()},
        "cost_usd": "num?",
        "unpriced": "str?",
        "repeated_messages": "int",
        "input_messages": ["any"],
        "output_messages": ["any"],
        "tool_arguments": "any",
        "tool_result": "any",
    },
    "SessionTurns": {"session": "Session", "turns": ["Turn"], "next_cursor": "str?"},
    "Logs": {"logs": ["Log"], "next_cursor": "str?"},
    "Metrics": {
        "metrics": [
            {
                "name": "str",
                "type": "str",
                "unit": "str?",
                "description": "str?",
                "temporality": "str?",
                "monotonic": "bool?",
                "services": ["str"],
                "series": "int",
                "points": "int",
                "last_ms": "num",
            }
        ]
    },
    "MetricSeries": {
        "name": "str",
        "type": "str",
        "unit": "str?",
        "step_s": "int",
        "series": [
            {
                "service": "str?",
                "instance": "str?",
                "attributes": {"*": "any"},
                "times_ms": ["num"],
                "values": ["num?"],
                "counts": ["int?"],
                "sums": ["num?"],
            }
        ],
        "truncated": "bool",
    },
    "CostRow": {"key": "str?", **_COST, **_TOKENS},
    "CostCall": {
        "trace_id": "str",
        "span_id": "str",
        "start_ms": "num",
        "duration_ms": "num?",
        "model": "str?",
        "provider": "str?",
        "service": "str?",
        "session_id": "str?",
        "status": "str",
        "cost_usd": "num?",
        "input_tokens": "int?",
        "output_tokens": "int?",
    },
    "Costs": {
        "from_ms": "int",
        "to_ms": "int",
        "total": {**_COST, **_TOKENS},
        "by_day": ["CostRow"],
        "by_day_and_model": [{"day": "str", "model": "str?", **_COST}],
        "by_model": ["CostRow"],
        "by_agent": ["CostRow"],
        "by_service": ["CostRow"],
        "by_session": ["CostRow"],
        "by_user": ["CostRow"],
        "by_token_bucket": [{"bucket": "str", "tokens": "int"}],
        "calls": ["CostCall"],
        "unpriced": [
            {
                "model": "str?",
                "provider": "str?",
                "reason": "str",
                "calls": "int",
                "input_tokens": "int",
                "output_tokens": "int",
                "example": {"trace_id": "str", "span_id": "str"},
            }
        ],
    },
    "Account": {
        "created": "int",
        "exported": "int",
        "sampled_out": "int",
        "dropped": "int",
        "waiting": "int",
        "balanced": "bool",
        "dropped_by_reason": {"*": "int"},
    },
    "Accounting": {
        "processes": [
            {
                "service": "str?",
                "instance": "str?",
                "host": "str?",
                "pid": "int?",
                "last_ms": "num",
                "signals": {"*": "Account"},
                "redactions": {"*": "int"},
                "faults": {"*": "int"},
            }
        ]
    },
    "StoreState": {
        "size_bytes": "int",
        "rows": {
            "spans": "int",
            "running_spans": "int",
            "logs": "int",
            "metric_points": "int",
            "messages": "int",
        },
        "oldest_ms": "num?",
        "newest_ms": "num?",
        "committed": "int",
        "retention": {"max_age_s": "num?", "max_bytes": "int?"},
        "ingest": {"spans_per_s": "num", "logs_per_s": "num", "points_per_s": "num"},
        "version": "str",
    },
    "LiveSpans": {
        "seq": "int",
        "spans": [
            {
                "trace_id": "str",
                "span_id": "str",
                "parent_span_id": "str?",
                "session_id": "str?",
                **_CALL,
                "input_tokens": "int?",
                "output_tokens": "int?",
                "cost_usd": "num?",
                "unpriced": "str?",
            }
        ],
    },
    "LiveLogs": {"seq": "int", "logs": ["Log"]},
    "LiveReset": {"seq": "int", "missed_commits": "int"},
    "SqlAnswer": {
        "columns": ["str"],
        "rows": [["any"]],
        "truncated": "bool",
        "elapsed_ms": "num",
    },
}


def schema_of(shape: Any) -> dict[str, Any]:
    """Return the JSON Schema of a shape."""
    if isinstance(shape, list):
        return {"type": "array", "items": schema_of(shape[0])}
    if isinstance(shape, dict):
        if "*" in shape:
            return {"type": "object", "additionalProperties": schema_of(shape["*"])}
        return {
            "type": "object",
            "properties": {key.rstrip("?"): schema_of(one) for key, one in shape.items()},
            "required": [key for key in shape if not key.endswith("?")],
            "additionalProperties": False,
        }
    name = shape.removesuffix("?")
    if name == "any":
        return {}
    if name in SHAPES:
        return {"$ref": f"#/components/schemas/{name}"}
    return {"type": [_TYPES[name], "null"] if shape.endswith("?") else _TYPES[name]}
