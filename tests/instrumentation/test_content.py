from __future__ import annotations

import enum
from typing import Any

import httpx2
import pytest
from openai.types.chat import ChatCompletionMessage

from alexobs.instrumentation.call import host_and_port
from alexobs.instrumentation.deltas import accumulate, joined
from alexobs.instrumentation.generic import message as any_message
from alexobs.instrumentation.generic import usage as any_usage
from alexobs.instrumentation.plain import MAX_BLOB_CHARS, TOO_DEEP, blob_part, plain
from alexobs.instrumentation.providers import (
    anthropic,
    google_content,
    google_interactions,
    hosts,
    openai,
    openai_responses,
)
from alexobs.instrumentation.sse import SseDecoder


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.openai.com", "openai"),
        ("eu.api.openai.com", "openai"),
        ("mine.openai.azure.com", "azure.ai.openai"),
        ("api.groq.com", "groq"),
        ("api.deepseek.com", "deepseek"),
        ("api.mistral.ai", "mistral_ai"),
        ("api.x.ai", "x_ai"),
        ("max.ai", "openai"),
        ("api.perplexity.ai", "perplexity"),
        ("localhost", "openai"),
        ("", "openai"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "aws.bedrock"),
        ("us-east5-aiplatform.googleapis.com", "gcp.vertex_ai"),
    ],
)
def test_the_provider_is_told_by_the_host(host: str, provider: str) -> None:
    assert hosts.behind_openai(host) == provider


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://api.openai.com/v1/", ("api.openai.com", 443)),
        ("http://localhost:8080/v1", ("localhost", 8080)),
        (httpx2.URL("http://[::1]/v1/"), ("::1", 80)),
        (None, ("", 0)),
    ],
)
def test_the_server_is_read_of_text_and_of_urls(endpoint: Any, expected: Any) -> None:
    assert host_and_port(endpoint) == expected


def test_openai_parts() -> None:
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "new_kind", "value": 1},
    ]
    assert openai.message({"role": "user", "content": content})["parts"] == [
        {"type": "text", "content": "What is it?"},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGk="},
        {"type": "uri", "modality": "image", "uri": "https://example.org/a.png"},
        {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "aGk="},
        {"type": "file", "modality": "document", "file_id": "file-1"},
        {"type": "new_kind", "value": 1},
    ]
    spoken = {"role": "assistant", "audio": {"id": "audio_1", "transcript": "Hi"}}
    assert openai.message(spoken)["parts"] == [
        {"type": "file", "modality": "audio", "file_id": "audio_1"},
        {"type": "text", "content": "Hi"},
    ]
    refused = ChatCompletionMessage(role="assistant", refusal="No.")
    assert openai.message(refused)["parts"] == [{"type": "refusal", "content": "No."}]
    old = {"role": "assistant", "function_call": {"name": "f", "arguments": '{"a": 1}'}}
    (part,) = openai.message(old)["parts"]
    assert (part["name"], part["arguments"]) == ("f", {"a": 1})


def test_responses_items() -> None:
    items = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a": 1}'},
        {"type": "function_call_output", "call_id": "c", "output": "2"},
        {"type": "web_search_call", "id": "w", "status": "completed", "action": {"query": "q"}},
        {"type": "image_generation_call", "result": "aGk=", "output_format": "webp"},
    ]
    found = [openai_responses.item_message(item) for item in items]
    roles = [item["role"] for item in found]
    assert roles == ["assistant", "assistant", "tool", "assistant", "assistant"]
    parts = [item["parts"][0] for item in found]
    assert [part["type"] for part in parts] == [
        "reasoning",
        "tool_call",
        "tool_call_response",
        "server_tool_call",
        "blob",
    ]
    assert parts[3]["name"] == "web_search"


def test_anthropic_blocks() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}]},
    ]
    assert [anthropic.block(block)["type"] for block in blocks] == [
        "reasoning",
        "redacted_thinking",
        "server_tool_call",
        "server_tool_call_response",
        "uri",
        "file",
        "tool_call_response",
    ]


def test_google_parts() -> None:
    parts = [
        {"text": "Hm.", "thought": True},
        {"functionCall": {"name": "f", "args": {"a": 1}}},
        {"functionResponse": {"name": "f", "response": {"b": 2}}},
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://bucket/a.mp4"}},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"codeExecutionResult": {"outcome": "OK", "output": "1"}},
    ]
    found = [google_content.part(part) for part in parts]
    assert [part["type"] for part in found] == [
        "reasoning",
        "tool_call",
        "tool_call_response",
        "blob",
        "uri",
        "server_tool_call",
        "server_tool_call_response",
    ]
    assert found[4]["modality"] == "video"


def test_google_interaction_steps() -> None:
    steps = [
        {"type": "google_search_call", "id": "s", "arguments": {"queries": ["q"]}},
        {"type": "google_search_result", "call_id": "s", "result": []},
        {"type": "function_call", "id": "c", "name": "f", "arguments": {}},
        {"type": "function_result", "call_id": "c", "result": 1},
    ]
    found = [google_interactions.step_parts(step)[0]["type"] for step in steps]
    assert found == [
        "server_tool_call",
        "server_tool_call_response",
        "tool_call",
        "tool_call_response",
    ]


def test_large_inline_data_is_left_out_with_its_size() -> None:
    part = blob_part("A" * (MAX_BLOB_CHARS + 4), "image/png")
    assert part["content"] == ""
    assert part["size_bytes"] == (MAX_BLOB_CHARS + 4) * 3 // 4
    assert blob_part(b"hi", "image/png")["content"] == "aGk="


def test_plain_data_of_anything() -> None:
    class Colour(enum.Enum):
        RED = "red"

    cycle: list[Any] = []
    cycle.append(cycle)
    assert plain({"a": (1, {2}), "b": Colour.RED}) == {"a": [1, [2]], "b": "red"}
    assert TOO_DEEP in str(plain(cycle))
    thing = object()
    assert plain(thing) is thing


def test_deltas_with_and_without_an_index() -> None:
    kept: dict[str, Any] = {}
    for delta in (
        {"role": "assistant", "content": "He"},
        {"content": "llo", "tool_calls": [{"index": 0, "id": "a", "function": {"name": "f"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]},
    ):
        accumulate(kept, delta)
    assert joined(kept) == {
        "role": "assistant",
        "content": "Hello",
        "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": '{"a": 1}'}}],
    }
    whole: dict[str, Any] = {}
    accumulate(whole, {"tool_calls": [{"id": "a"}, {"id": "b"}]})
    assert [call["id"] for call in joined(whole)["tool_calls"]] == ["a", "b"]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_events_are_found_however_they_are_cut(size: int) -> None:
    body = (
        b'event: a\r\ndata: {"n": 1}\r\n\r\n: ping\n\n'
        b'data:{"n": 2}\n\ndata: nonsense\n\ndata: [DONE]\n\n'
    )
    decoder = SseDecoder(events=True)
    found = [event for at in range(0, len(body), size) for event in decoder(body[at : at + size])]
    assert [event.get("n") for event in found] == [1, 2, None]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2}, (5, 2, 0, 0, 0)),
        ({"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 3}, (8, 2, 3, 0, 0)),
        (
            {
                "input_tokens": 9,
                "output_tokens": 4,
                "input_token_details": {"cache_read": 3, "cache_creation": 1},
                "output_token_details": {"reasoning": 2},
            },
            (9, 4, 3, 1, 2),
        ),
    ],
)
def test_tokens_under_common_names(raw: Any, expected: Any) -> None:
    found = any_usage(raw)
    assert found is not None
    assert found[:5] == expected


def test_messages_of_unknown_classes() -> None:
    class Human:
        type = "human"
        content = "Hi"

    assert any_message(Human()) == {"role": "user", "parts": [{"type": "text", "content": "Hi"}]}
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    (part,) = any_message({"role": "assistant", "content": [block]})["parts"]
    assert part["type"] == "tool_call"
