"""The mapping table: which attribute of which dialect says what.

Each `Field` is one fact, the attribute that the store reads it from, and the names under which
others have written it, the most trusted first. A name is looked up in this order; the first one
with a usable value wins. Numbered names (``gen_ai.prompt.0.role``) are handled in `messages`.

Sources: OpenTelemetry GenAI conventions of all generations (``gen_ai.*``), OpenInference
(``llm.*``, ``openinference.*``), OpenLLMetry (``traceloop.*``, ``gen_ai.prompt.N.*``), the Vercel
AI SDK (``ai.*``), Langfuse (``langfuse.*``), pydantic-ai and Logfire, MLflow, any-agent.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from alexobs import semconv

Type = Literal["text", "count", "usd", "seconds", "milliseconds", "integer"]


class Field(NamedTuple):
    """One fact: its attribute here, what it is, and its names elsewhere."""

    target: str
    type: Type
    names: tuple[str, ...]


FIELDS: Final = (
    Field(
        semconv.GEN_AI_OPERATION_NAME,
        "text",
        ("gen_ai.operation.name", "llm.request.type", "ai.operationId"),
    ),
    Field(
        semconv.GEN_AI_RESPONSE_MODEL,
        "text",
        (
            "gen_ai.response.model",
            "llm.response.model",
            "llm.response.model_name",
            "ai.response.model",
        ),
    ),
    Field(
        semconv.GEN_AI_REQUEST_MODEL,
        "text",
        (
            "gen_ai.request.model",
            "llm.request.model",
            "llm.request.model_name",
            "llm.model_name",
            "embedding.model_name",
            "reranker.model_name",
            "ai.model.id",
            "langfuse.observation.model.name",
            "mlflow.llm.model",
            "model_name",
            "gen_ai.response.model",
        ),
    ),
    Field(
        semconv.GEN_AI_PROVIDER_NAME,
        "text",
        (
            "gen_ai.provider.name",
            "gen_ai.system",
            "llm.provider",
            "llm.system",
            "ai.model.provider",
            "llm.vendor",
            "mlflow.llm.provider",
        ),
    ),
    Field(
        semconv.GEN_AI_USAGE_INPUT_TOKENS,
        "count",
        (
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.prompt_tokens",
            "llm.token_count.prompt",
            "llm.usage.prompt_tokens",
            "ai.usage.inputTokens",
            "ai.usage.promptTokens",
            "ai.usage.tokens",
        ),
    ),
    Field(
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS,
        "count",
        (
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.completion_tokens",
            "llm.token_count.completion",
            "llm.usage.completion_tokens",
            "ai.usage.outputTokens",
            "ai.usage.completionTokens",
        ),
    ),
    Field(
        semconv.GEN_AI_USAGE_CACHE_READ,
        "count",
        (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.input_tokens.cached",
            "gen_ai.usage.details.cache_read_tokens",
            "gen_ai.usage.details.cache_read_input_tokens",
            "gen_ai.usage.details.cached_tokens",
            "llm.token_count.prompt_details.cache_read",
            "llm.token_count.prompt_details.cache_input",
            "ai.usage.cachedInputTokens",
            "ai.usage.inputTokenDetails.cacheReadTokens",
        ),
    ),
    Field(
        semconv.GEN_AI_USAGE_CACHE_WRITE,
        "count",
        (
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.details.cache_write_tokens",
            "gen_ai.usage.details.cache_creation_input_tokens",
            "llm.token_count.prompt_details.cache_write",
            "ai.usage.inputTokenDetails.cacheWriteTokens",
        ),
    ),
    Field(
        semconv.GEN_AI_USAGE_REASONING,
        "count",
        (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.details.reasoning_tokens",
            "gen_ai.usage.output_tokens.reasoning",
            "llm.usage.reasoning_tokens",
            "llm.token_count.completion_details.reasoning",
            "ai.usage.reasoningTokens",
            "ai.usage.outputTokenDetails.reasoningTokens",
        ),
    ),
    Field(
        semconv.ALEX_COST,
        "usd",
        (
            "alex.cost",
            "gen_ai.usage.cost",
            "gen_ai.usage.total_cost",
            "gen_ai.cost.total_cost",
            "llm.cost.total",
            "operation.cost",
        ),
    ),
    Field(semconv.GEN_AI_RESPONSE_ID, "text", ("gen_ai.response.id", "ai.response.id")),
    Field(
        semconv.GEN_AI_RESPONSE_TTFC,
        "seconds",
        (
            "gen_ai.response.time_to_first_chunk",
            "gen_ai.server.time_to_first_token",
            "llm.time_to_first_token",
        ),
    ),
    Field(
        semconv.GEN_AI_RESPONSE_TTFC,
        "milliseconds",
        ("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk"),
    ),
    Field(
        semconv.ALEX_SESSION_ID,
        "text",
        (
            "alex.session_id",
            "session.id",
            "langfuse.session.id",
            "langfuse.trace.session_id",
            "gen_ai.conversation.id",
            "gen_ai.session.id",
            "traceloop.association.properties.session_id",
            "traceloop.association.properties.conversation_id",
            "traceloop.association.properties.thread_id",
            "ai.telemetry.metadata.sessionId",
            "mlflow.trace.session",
        ),
    ),
    Field(
        semconv.ALEX_USER_ID,
        "text",
        (
            "alex.user_id",
            "user.id",
            "enduser.id",
            "langfuse.user.id",
            "langfuse.trace.user_id",
            "traceloop.association.properties.user_id",
            "ai.telemetry.metadata.userId",
            "mlflow.trace.user",
        ),
    ),
    Field(
        semconv.ALEX_AGENT,
        "text",
        ("alex.agent", "gen_ai.agent.name", "agent.name", "agent_name", "ai.telemetry.functionId"),
    ),
    Field(
        semconv.ALEX_TOOL_NAME,
        "text",
        (
            "alex.tool_name",
            "gen_ai.tool.name",
            "tool.name",
            "tool_call.function.name",
            "ai.toolCall.name",
        ),
    ),
    Field(
        semconv.GEN_AI_TOOL_CALL_ID,
        "text",
        ("gen_ai.tool.call.id", "tool_call.id", "ai.toolCall.id"),
    ),
    Field(
        semconv.ALEX_ITERATION,
        "integer",
        ("alex.iteration", "react.iteration", "smolagents.step_number"),
    ),
    Field(semconv.ERROR_TYPE, "text", ("error.type",)),
)

# The name of a span's own entity: of a tool when the span is one's, else of a workflow or task.
ENTITY_NAME: Final = "traceloop.entity.name"

# Costs that are written in halves.
COST_PARTS: Final = (
    ("gen_ai.usage.input_cost", "gen_ai.usage.output_cost"),
    ("gen_ai.cost.input_cost", "gen_ai.cost.output_cost"),
    ("llm.cost.prompt", "llm.cost.completion"),
)

# Where a span says what kind of work it is: attribute, and its values in lower case.
# ``agent`` is a session when the span is a root, and plain work below another one.
KINDS: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    (
        "openinference.span.kind",
        {
            "llm": "llm",
            "embedding": "embedding",
            "tool": "tool",
            "agent": "agent",
            "chain": "span",
            "retriever": "span",
            "reranker": "span",
            "guardrail": "span",
            "evaluator": "span",
            "prompt": "span",
            "decision": "span",
            "unknown": "span",
        },
    ),
    (
        "langfuse.observation.type",
        {
            "generation": "llm",
            "embedding": "embedding",
            "tool": "tool",
            "agent": "agent",
            "span": "span",
            "event": "span",
            "chain": "span",
            "retriever": "span",
            "evaluator": "span",
            "guardrail": "span",
        },
    ),
    (
        "ai.operationid",
        {
            "ai.generatetext.dogenerate": "llm",
            "ai.streamtext.dostream": "llm",
            "ai.generateobject.dogenerate": "llm",
            "ai.streamobject.dostream": "llm",
            "ai.embed.doembed": "embedding",
            "ai.embedmany.doembed": "embedding",
            "ai.toolcall": "tool",
            "ai.generatetext": "agent",
            "ai.streamtext": "agent",
            "ai.generateobject": "agent",
            "ai.streamobject": "agent",
            "ai.embed": "span",
            "ai.embedmany": "span",
        },
    ),
    (
        "gen_ai.operation.name",
        {
            "chat": "llm",
            "generate_content": "llm",
            "text_completion": "llm",
            "completion": "llm",
            "call_llm": "llm",
            "message": "llm",
            "responses": "llm",
            "embeddings": "embedding",
            "embedding": "embedding",
            "execute_tool": "tool",
            "invoke_agent": "agent",
            "create_agent": "span",
            "invoke_workflow": "agent",
            "retrieval": "span",
            "rerank": "span",
            "plan": "span",
        },
    ),
    (
        "mlflow.spantype",
        {
            "llm": "llm",
            "chat_model": "llm",
            "embedding": "embedding",
            "tool": "tool",
            "agent": "agent",
            "chain": "span",
            "retriever": "span",
            "parser": "span",
            "unknown": "span",
        },
    ),
    (
        "traceloop.span.kind",
        {"workflow": "agent", "agent": "agent", "tool": "tool", "task": "span"},
    ),
    (
        "llm.request.type",
        {"chat": "llm", "completion": "llm", "embedding": "embedding", "rerank": "span"},
    ),
)

# `gen_ai.provider.name` by what others call the same company.
PROVIDERS: Final = {
    "mistralai": "mistral_ai",
    "mistral": "mistral_ai",
    "google": "gcp.gemini",
    "gemini": "gcp.gemini",
    "google_genai": "gcp.gemini",
    "google.generative-ai": "gcp.gemini",
    "gcp.gen_ai": "gcp.gemini",
    "google_generativeai": "gcp.gemini",
    "vertexai": "gcp.vertex_ai",
    "vertex_ai": "gcp.vertex_ai",
    "google.vertex": "gcp.vertex_ai",
    "google_vertexai": "gcp.vertex_ai",
    "azure": "azure.ai.openai",
    "az.ai.openai": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "azure.openai": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "aws": "aws.bedrock",
    "amazon": "aws.bedrock",
    "amazon-bedrock": "aws.bedrock",
    "xai": "x_ai",
    "grok": "x_ai",
    "watsonx": "ibm.watsonx.ai",
    "moonshot": "moonshot_ai",
    "moonshotai": "moonshot_ai",
    "openai_chat": "openai",
}

# Content in one attribute: target, and the names it may have. `messages` converts the values.
INPUTS: Final = (
    "gen_ai.input.messages",
    "ai.prompt.messages",
    "ai.prompt",
    "langfuse.observation.input",
    "langfuse.generation.input",
    "mlflow.spanInputs",
    "input.value",
    "traceloop.entity.input",
    "gen_ai.prompt",
    "gen_ai.input",
    "pydantic_ai.all_messages",
    "all_messages_events",
)
OUTPUTS: Final = (
    "gen_ai.output.messages",
    "langfuse.observation.output",
    "langfuse.generation.output",
    "mlflow.spanOutputs",
    "output.value",
    "traceloop.entity.output",
    "gen_ai.completion",
    "gen_ai.output",
    "final_result",
)
ARGUMENTS: Final = (
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.args",
    "gen_ai.tool.arguments",
    "tool.parameters",
    "tool_arguments",
    "ai.toolCall.args",
    "ai.toolCall.input",
    "langfuse.observation.input",
    "mlflow.spanInputs",
    "input.value",
    "traceloop.entity.input",
)
RESULTS: Final = (
    "gen_ai.tool.call.result",
    "gen_ai.tool.result",
    "gen_ai.tool.message",
    "tool_response",
    "ai.toolCall.result",
    "ai.toolCall.output",
    "langfuse.observation.output",
    "mlflow.spanOutputs",
    "output.value",
    "traceloop.entity.output",
    "gen_ai.output",
)
