"""Which dialect a request is in, by its path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alexobs.testing.wires.anthropic import AnthropicMessages
from alexobs.testing.wires.google import GoogleEmbeddings, GoogleGenerate
from alexobs.testing.wires.openai_chat import OpenAIChat, OpenAIEmbeddings
from alexobs.testing.wires.openai_responses import OpenAIResponses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alexobs.testing.loopback import Request
    from alexobs.testing.wires import Wire


@dataclass(frozen=True, slots=True)
class Route:
    """One API: the paths it answers, its dialect, and how to read model and streaming."""

    api: str
    path: re.Pattern[str]
    wire: Wire
    in_path: bool = False  # Gemini names model and method in the path, the others in the body

    def model(self, http: Request, asked: Mapping[str, Any]) -> str:
        """Return the model that is asked for."""
        if self.in_path:
            found = self.path.search(http.path)
            return found["model"] if found else ""
        return str(asked.get("model") or "")

    def is_stream(self, http: Request, asked: Mapping[str, Any]) -> bool:
        """Return whether a stream is asked for."""
        if self.in_path:
            return "streamGenerateContent" in http.path
        return bool(asked.get("stream"))


_MODEL = r"/models/(?P<model>[^/:]+):"
ROUTES = (
    Route("openai.chat", re.compile(r"/chat/completions$"), OpenAIChat()),
    Route("openai.responses", re.compile(r"/responses$"), OpenAIResponses()),
    Route("openai.embeddings", re.compile(r"/embeddings$"), OpenAIEmbeddings()),
    Route("anthropic.messages", re.compile(r"/messages$"), AnthropicMessages()),
    Route(
        "google.generate",
        re.compile(_MODEL + r"(?:stream)?[gG]enerateContent$"),
        GoogleGenerate(),
        in_path=True,
    ),
    Route(
        "google.embeddings",
        re.compile(_MODEL + r"(?:batchEmbedContents|embedContent)$"),
        GoogleEmbeddings(),
        in_path=True,
    ),
)


def find_route(http: Request) -> Route | None:
    """Return the API that a request is for, or None."""
    for route in ROUTES:
        if route.path.search(http.path):
            return route
    return None
