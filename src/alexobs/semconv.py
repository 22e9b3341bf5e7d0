"""Every span, attribute and metric name that alexobs writes, each with its unit.

``ALEX_*`` names are ours. ``GEN_AI_*`` names follow the OpenTelemetry GenAI semantic conventions
(state of 2026-11, status "development"), which publish no constants package.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

# -- span names ----------------------------------------------------------------------------------
SPAN_SESSION: Final = "alex.session.solve_task"
SPAN_ITERATION: Final = "alex.react.iteration"
SPAN_LLM: Final = "alex.llm.generate"
SPAN_TOOL: Final = "alex.tool.execute"

# -- values of alex.status -----------------------------------------------------------------------
Status = Literal["success", "error", "cancelled"]
SUCCESS: Final = "success"
ERROR: Final = "error"
CANCELLED: Final = "cancelled"

# -- run attributes ------------------------------------------------------------------------------
ALEX_SESSION_ID: Final = "alex.session_id"
ALEX_RUN_ID: Final = "alex.run_id"
ALEX_PARENT_RUN_ID: Final = "alex.parent_run_id"
ALEX_ITERATION: Final = "alex.iteration"
ALEX_USER_ID: Final = "alex.user_id"
ALEX_TASK: Final = "alex.task"
ALEX_AGENT: Final = "alex.agent"
ALEX_STATUS: Final = "alex.status"
ALEX_KIND: Final = "alex.kind"  # session | iteration | llm | embedding | tool | span
ALEX_TOOL_NAME: Final = "alex.tool_name"

# -- LLM attributes ------------------------------------------------------------------------------
ALEX_LLM_MODEL: Final = "alex.llm.model"
ALEX_LLM_INPUT_TOKENS: Final = "alex.llm.input_tokens"  # {token}, cache included
ALEX_LLM_OUTPUT_TOKENS: Final = "alex.llm.output_tokens"  # {token}, reasoning included
ALEX_LLM_TOKEN_COUNT: Final = "alex.llm.token_count"  # {token}, input + output
ALEX_LLM_RAW_USAGE: Final = "alex.llm.raw_usage"  # the provider's usage object, JSON
ALEX_LLM_ATTEMPTS: Final = "alex.llm.attempts"  # {attempt}, 1 when the first one succeeded
ALEX_LLM_ATTEMPT_EVENT: Final = "alex.llm.attempt"  # event: one failed attempt that was retried
ALEX_LLM_ATTEMPT_NUMBER: Final = "alex.llm.attempt.number"  # from 1
ALEX_LLM_ATTEMPT_MAX: Final = "alex.llm.attempt.max"  # attempts allowed in all
ALEX_LLM_ATTEMPT_CAUSE: Final = "alex.llm.attempt.cause"  # HTTP status or exception type
ALEX_LLM_ATTEMPT_DELAY: Final = "alex.llm.attempt.delay"  # s, waited before the next attempt

# -- money ---------------------------------------------------------------------------------------
ALEX_COST: Final = "alex.cost"  # USD; absent when unknown, never 0 for unknown
ALEX_COST_UNPRICED: Final = "alex.cost.unpriced"  # why there is no price: a reason, as text
ALEX_COST_PRICE_ID: Final = "alex.cost.price_id"  # "<source>:<provider>/<model>"
ALEX_COST_PRICE_DATE: Final = "alex.cost.price_date"  # ISO date of the price data
# Disjoint token buckets, {token}; their sum is what the provider billed.
ALEX_TOKENS_UNCACHED_INPUT: Final = "alex.tokens.uncached_input"
ALEX_TOKENS_CACHE_READ: Final = "alex.tokens.cache_read"
ALEX_TOKENS_CACHE_WRITE: Final = "alex.tokens.cache_write"
ALEX_TOKENS_OUTPUT: Final = "alex.tokens.output"  # without reasoning
ALEX_TOKENS_REASONING: Final = "alex.tokens.reasoning"

# -- OpenTelemetry general -----------------------------------------------------------------------
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
DEPLOYMENT_ENVIRONMENT: Final = "deployment.environment.name"
EXCEPTION_EVENT: Final = "exception"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
EXCEPTION_ESCAPED: Final = "exception.escaped"

# -- GenAI ---------------------------------------------------------------------------------------
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_CONVERSATION_ID: Final = "gen_ai.conversation.id"
GEN_AI_OUTPUT_TYPE: Final = "gen_ai.output.type"
GEN_AI_AGENT_NAME: Final = "gen_ai.agent.name"
GEN_AI_AGENT_ID: Final = "gen_ai.agent.id"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_REQUEST_STREAM: Final = "gen_ai.request.stream"
GEN_AI_REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
GEN_AI_REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
GEN_AI_REQUEST_TOP_P: Final = "gen_ai.request.top_p"
GEN_AI_REQUEST_TOP_K: Final = "gen_ai.request.top_k"
GEN_AI_REQUEST_SEED: Final = "gen_ai.request.seed"
GEN_AI_REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
GEN_AI_REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
GEN_AI_REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
GEN_AI_REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
GEN_AI_REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID: Final = "gen_ai.request.previous_response.id"
GEN_AI_REQUEST_ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
GEN_AI_EMBEDDINGS_DIMENSION_COUNT: Final = "gen_ai.embeddings.dimension.count"
GEN_AI_RESPONSE_ID: Final = "gen_ai.response.id"
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
GEN_AI_RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_RESPONSE_TTFC: Final = "gen_ai.response.time_to_first_chunk"  # s
GEN_AI_USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"  # {token}, cache included
GEN_AI_USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"  # {token}, reasoning included
GEN_AI_USAGE_CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
GEN_AI_USAGE_CACHE_WRITE: Final = "gen_ai.usage.cache_write.input_tokens"
GEN_AI_USAGE_REASONING: Final = "gen_ai.usage.reasoning.output_tokens"
GEN_AI_TOOL_NAME: Final = "gen_ai.tool.name"
GEN_AI_TOOL_TYPE: Final = "gen_ai.tool.type"
GEN_AI_TOOL_DESCRIPTION: Final = "gen_ai.tool.description"
GEN_AI_TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
GEN_AI_TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
GEN_AI_TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"
GEN_AI_TOKEN_TYPE: Final = "gen_ai.token.type"
GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
GEN_AI_SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
GEN_AI_TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"

# The context key by which instrumentations of one inference call agree that it has its span.
INFERENCE_CONTEXT_KEY: Final = "opentelemetry.genai.client.inference.context"

# -- the event that announces a running span to an alexobs server (an OTLP log record) -------------
EVENT_SPAN_RUNNING: Final = "alex.span.running"
# The response header by which an alexobs server makes itself known to an exporter.
SERVER_HEADER: Final = "x-alexobs-server"

# -- metrics -------------------------------------------------------------------------------------
InstrumentKind = Literal["counter", "updowncounter", "histogram", "gauge"]


class Metric(NamedTuple):
    """One built-in instrument: what it is called, its unit (UCUM) and its labels."""

    name: str
    kind: InstrumentKind
    unit: str
    description: str
    labels: tuple[str, ...] = ()
    boundaries: tuple[float, ...] = ()


SECONDS_BOUNDARIES: Final = tuple(round(0.01 * 2**i, 2) for i in range(14))  # .01 … 81.92
AGENT_SECONDS_BOUNDARIES: Final = tuple(round(0.1 * 2**i, 1) for i in range(13))  # .1 … 409.6
TOKEN_BOUNDARIES: Final = tuple(float(4**i) for i in range(14))  # 1 … 67108864

LLM_REQUESTS: Final = Metric(
    "alex.llm.requests.total", "counter", "{request}", "LLM requests.", ("model", "status")
)
LLM_TOKENS_INPUT: Final = Metric(
    "alex.llm.tokens.input", "counter", "{token}", "Input tokens, cached ones included.", ("model",)
)
LLM_TOKENS_OUTPUT: Final = Metric(
    "alex.llm.tokens.output", "counter", "{token}", "Output tokens, reasoning included.", ("model",)
)
LLM_LATENCY: Final = Metric(
    "alex.llm.latency",
    "histogram",
    "s",
    "Time from an LLM request to the end of its response.",
    ("model", "status"),
    SECONDS_BOUNDARIES,
)
COST_TOTAL: Final = Metric(
    "alex.cost.total", "counter", "USD", "Cost of the priced LLM requests.", ("model",)
)
COST_UNPRICED: Final = Metric(
    "alex.cost.unpriced.total",
    "counter",
    "{request}",
    "LLM requests whose cost is unknown.",
    ("model",),
)
TOOL_EXECUTIONS: Final = Metric(
    "alex.tool.executions.total",
    "counter",
    "{execution}",
    "Tool executions.",
    ("tool_name", "status"),
)
TOOL_DURATION: Final = Metric(
    "alex.tool.duration",
    "histogram",
    "s",
    "Duration of tool executions.",
    ("tool_name",),
    SECONDS_BOUNDARIES,
)
SESSIONS_ACTIVE: Final = Metric(
    "alex.sessions.active", "updowncounter", "{session}", "Sessions running now."
)

_CALL_LABELS: Final = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "error.type",
    "server.address",
)
GEN_AI_OPERATION_DURATION: Final = Metric(
    "gen_ai.client.operation.duration",
    "histogram",
    "s",
    "Duration of a GenAI client operation.",
    _CALL_LABELS,
    SECONDS_BOUNDARIES,
)
GEN_AI_TIME_TO_FIRST_CHUNK: Final = Metric(
    "gen_ai.client.operation.time_to_first_chunk",
    "histogram",
    "s",
    "Time from the request to the first chunk of a streamed response.",
    _CALL_LABELS,
    SECONDS_BOUNDARIES,
)
GEN_AI_TIME_PER_OUTPUT_CHUNK: Final = Metric(
    "gen_ai.client.operation.time_per_output_chunk",
    "histogram",
    "s",
    "Mean time between the chunks of a streamed response, after the first.",
    _CALL_LABELS,
    SECONDS_BOUNDARIES,
)
GEN_AI_TOKEN_USAGE: Final = Metric(
    "gen_ai.client.token.usage",
    "histogram",
    "{token}",
    "Tokens of one GenAI client operation.",
    (*_CALL_LABELS, "gen_ai.token.type"),
    TOKEN_BOUNDARIES,
)
GEN_AI_EXECUTE_TOOL_DURATION: Final = Metric(
    "gen_ai.execute_tool.duration",
    "histogram",
    "s",
    "Duration of a tool execution.",
    ("gen_ai.tool.name", "error.type"),
    SECONDS_BOUNDARIES,
)
GEN_AI_INVOKE_AGENT_DURATION: Final = Metric(
    "gen_ai.invoke_agent.duration",
    "histogram",
    "s",
    "Duration of an agent invocation (a session).",
    ("gen_ai.agent.name", "error.type"),
    AGENT_SECONDS_BOUNDARIES,
)

METRICS: Final[tuple[Metric, ...]] = (
    LLM_REQUESTS,
    LLM_TOKENS_INPUT,
    LLM_TOKENS_OUTPUT,
    LLM_LATENCY,
    COST_TOTAL,
    COST_UNPRICED,
    TOOL_EXECUTIONS,
    TOOL_DURATION,
    SESSIONS_ACTIVE,
    GEN_AI_OPERATION_DURATION,
    GEN_AI_TIME_TO_FIRST_CHUNK,
    GEN_AI_TIME_PER_OUTPUT_CHUNK,
    GEN_AI_TOKEN_USAGE,
    GEN_AI_EXECUTE_TOOL_DURATION,
    GEN_AI_INVOKE_AGENT_DURATION,
)
