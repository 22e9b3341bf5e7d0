"""What a scripted provider is told to answer: replies and failures, in no provider's dialect."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alexobs.records import Usage

Finish = Literal["", "stop", "length", "tool_calls", "content_filter", "stop_sequence"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model asks for. `id` defaults to one made by counting."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""

    @property
    def arguments_json(self) -> str:
        """The arguments as the compact JSON text that providers send."""
        return json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the model.

    Attributes:
        text: the answer's text; split into pieces of `chunk_chars` when it is streamed.
        tool_calls: tools that the model asks for.
        reasoning: thinking text, where the provider shows it (Anthropic, Gemini, responses).
        usage: tokens by the conventions' arithmetic (see `alexobs.records.Usage`), which each
            dialect turns into the provider's own; ``auto`` counts four characters as a token;
            None leaves usage out.
        finish: why the model stopped; found from the content when empty.
        model: model that answers; the one that was asked when empty.
        service_tier: tier that the provider says it has served.
        vectors: embeddings; made up, three numbers each, when empty.
        headers: further response headers.
        chunk_chars: characters of text and of tool arguments per streamed piece.
        first_byte_after_s, chunk_every_s: pauses before the response and between its chunks.
        cut_after_chunks: reset the connection after that many streamed chunks (in the middle
            of the body when the reply is not streamed).
        error_after_chunks: send the provider's error event after that many chunks and end.
    """

    text: str = ""
    tool_calls: Sequence[ToolCall] = ()
    reasoning: str = ""
    usage: Usage | Literal["auto"] | None = "auto"
    finish: Finish = ""
    model: str = ""
    service_tier: str = ""
    vectors: Sequence[Sequence[float]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    chunk_chars: int = 8
    first_byte_after_s: float = 0.0
    chunk_every_s: float = 0.0
    cut_after_chunks: int | None = None
    error_after_chunks: int | None = None

    @property
    def finish_or_default(self) -> Finish:
        """`finish`, or what follows from the content."""
        return self.finish or ("tool_calls" if self.tool_calls else "stop")


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that fails.

    Attributes:
        status: HTTP status.
        message: error message; a plausible one when empty.
        retry_after_s: value of ``Retry-After``; also sent as ``retry-after-ms``.
        retry: value of ``x-should-retry``; absent when None.
        body: exactly this body instead of the provider's error object.
        content_type: of `body`.
        first_byte_after_s: pause before the response.
        reset: reset the connection instead of answering.
    """

    status: int = 500
    message: str = ""
    retry_after_s: float | None = None
    retry: bool | None = None
    body: bytes | None = None
    content_type: str = "application/json"
    first_byte_after_s: float = 0.0
    reset: bool = False


Step = Reply | Failure


def pieces(text: str, size: int) -> list[str]:
    """Return `text` cut into pieces of `size` characters; nothing for an empty text."""
    return [text[start : start + size] for start in range(0, len(text), max(1, size))]
