"""An agent that others instrument, in a process of its own because they patch packages globally.

    python producer.py KIND PROVIDER_URL OTLP_URL    KIND: openinference, openllmetry, plain_otel

It asks twice: the model wants a tool, is told the result, and answers, the second time as a stream.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = "gpt-4o-mini"
QUESTION = "Which year is it in New York?"
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "The time in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def main(kind: str, provider_url: str, otlp_url: str) -> None:
    tracers = TracerProvider(resource=Resource.create({"service.name": kind}))
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{otlp_url}/v1/traces")))
    trace.set_tracer_provider(tracers)
    PRODUCERS[kind](provider_url, tracers.get_tracer("agent"), tracers)
    tracers.shutdown()


def with_openinference(url: str, tracer: trace.Tracer, tracers: Any) -> None:
    from openinference.instrumentation.openai import OpenAIInstrumentor  # noqa: PLC0415

    OpenAIInstrumentor().instrument(tracer_provider=tracers)

    def tool(arguments: str) -> str:
        attributes = {
            "openinference.span.kind": "TOOL",
            "tool.name": "get_time",
            "input.value": arguments,
            "output.value": "2026",
        }
        with tracer.start_as_current_span("get_time", attributes=attributes):
            return "2026"

    attributes = {"openinference.span.kind": "AGENT", "session.id": "openinference"}
    with tracer.start_as_current_span("agent", attributes=attributes):
        ask(url, tool)


def with_openllmetry(url: str, tracer: trace.Tracer, tracers: Any) -> None:
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor  # noqa: PLC0415

    OpenAIInstrumentor().instrument(tracer_provider=tracers)

    def tool(arguments: str) -> str:
        attributes = {
            "traceloop.span.kind": "tool",
            "traceloop.entity.name": "get_time",
            "traceloop.entity.input": arguments,
            "traceloop.entity.output": "2026",
        }
        with tracer.start_as_current_span("get_time.tool", attributes=attributes):
            return "2026"

    attributes = {
        "traceloop.span.kind": "workflow",
        "traceloop.entity.name": "agent",
        "traceloop.association.properties.session_id": "openllmetry",
    }
    with tracer.start_as_current_span("agent.workflow", attributes=attributes):
        ask(url, tool)


def with_plain_otel(url: str, tracer: trace.Tracer, _: Any) -> None:
    """Spans made by hand, after the semantic conventions' present text."""
    say = [{"role": "user", "parts": [{"type": "text", "content": QUESTION}]}]
    call = {"type": "tool_call", "id": "c1", "name": "get_time", "arguments": {"city": "New York"}}
    wish = [{"role": "assistant", "parts": [call], "finish_reason": "tool_call"}]
    told = {"type": "tool_call_response", "id": "c1", "response": "2026"}
    end = [{"role": "assistant", "parts": [{"type": "text", "content": "It is 2026."}]}]
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "clock",
             "gen_ai.conversation.id": "plain_otel"}  # fmt: skip
    with tracer.start_as_current_span("invoke_agent clock", attributes=agent):
        chat_span(tracer, say, wish, (120, 40, 12))
        attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get_time",
                      "gen_ai.tool.call.arguments": json.dumps({"city": "New York"}),
                      "gen_ai.tool.call.result": "2026"}  # fmt: skip
        with tracer.start_as_current_span("execute_tool get_time", attributes=attributes):
            pass
        chat_span(tracer, [*say, *wish, {"role": "tool", "parts": [told]}], end, (150, 0, 6))


def chat_span(
    tracer: trace.Tracer, asked: list[Any], answer: list[Any], tokens: tuple[int, int, int]
) -> None:
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": MODEL,
        "gen_ai.response.model": MODEL,
        "gen_ai.usage.input_tokens": tokens[0],
        "gen_ai.usage.cache_read.input_tokens": tokens[1],
        "gen_ai.usage.output_tokens": tokens[2],
        "gen_ai.input.messages": json.dumps(asked),
        "gen_ai.output.messages": json.dumps(answer),
    }
    with tracer.start_as_current_span(f"chat {MODEL}", attributes=attributes):
        pass


def ask(url: str, tool: Callable[[str], str]) -> None:
    from openai import OpenAI  # noqa: PLC0415

    with OpenAI(base_url=url, api_key="unused") as client:
        messages: list[Any] = [{"role": "user", "content": QUESTION}]
        create: Any = client.chat.completions.create
        wish = create(model=MODEL, messages=messages, tools=[TOOL])
        (call,) = wish.choices[0].message.tool_calls
        messages.append(wish.choices[0].message.model_dump(exclude_none=True))
        result = tool(call.function.arguments)
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        stream = create(
            model=MODEL, messages=messages, tools=[TOOL], stream=True,
            stream_options={"include_usage": True},
        )  # fmt: skip
        for _ in stream:
            pass


PRODUCERS = {
    "openinference": with_openinference,
    "openllmetry": with_openllmetry,
    "plain_otel": with_plain_otel,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
