"""The driver makes the right SDK calls for requests of which there may be no recording here."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from harness.calls import Unsupported, ways
from harness.recording import load
from harness.replay import Played, Replay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK = {"candidates": [{"content": {"parts": [{"text": "hi"}], "role": "model"}}]}
CHAT = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
HELLO = [{"parts": [{"text": "hello"}], "role": "user"}]
ASK = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    with Replay() as replay:
        yield replay


def recorded(path: Path, url: str, asked: Any, answer: bytes, **more: Any) -> Path:
    headers = {"Content-Type": ["application/json"], **more.pop("headers", {})}
    interaction: dict[str, Any] = {
        "request": {"method": "POST", "uri": url, "headers": {}, "body": json.dumps(asked)},
        "response": {
            "status": {"code": more.pop("status", 200), "message": ""},
            "headers": headers,
            "body": {"string": answer},
        },
    }
    interaction["request"] |= more
    file = path / "made.yaml"
    file.write_text(yaml.safe_dump({"interactions": [interaction]}))
    return file


def play(replay: Replay, file: Path) -> Played:
    items = load(file)
    found = ways(items[0])
    assert isinstance(found, list)
    (played,) = replay.play(items, [(items[0], found[0])], replay.bare)
    assert played.answered is items[0], played.outcome
    assert replay.server.differences == []
    return played


def test_a_gemini_stream(replay: Replay, tmp_path: Path) -> None:
    url = "https://generativelanguage.example/v1beta/models/g:streamGenerateContent?alt=sse"
    body = f"data: {json.dumps(CHUNK)}\r\n\r\n".encode() * 2
    headers = {"Content-Type": ["text/event-stream"]}
    asked = {"contents": HELLO, "generationConfig": {"temperature": 0.5, "topK": 3}}
    played = play(replay, recorded(tmp_path, url, asked, body, headers=headers))
    assert str(played.way) == "models.generate_content_stream (stream)"
    assert len(played.outcome.values) == 2


def test_vertex_takes_project_and_location_from_the_path(replay: Replay, tmp_path: Path) -> None:
    url = "https://v.example/v1/projects/p-1/locations/l-1/publishers/google/models/g"
    file = recorded(
        tmp_path, f"{url}:generateContent", {"contents": HELLO}, json.dumps(CHUNK).encode()
    )
    assert play(replay, file).way.target.vertex == ("p-1", "l-1")


def test_an_azure_path_and_unknown_fields_are_kept(replay: Replay, tmp_path: Path) -> None:
    url = "https://azure.example/openai/deployments/d/chat/completions?api-version=2026-01-01"
    asked = {"model": "m", "messages": ASK, "a_field_of_tomorrow": {"x": 1}}
    file = recorded(tmp_path, url, asked, json.dumps(CHAT).encode())
    assert play(replay, file).way.target.base_path == "/openai/deployments/d"


@pytest.mark.parametrize("packed", ["gzip", "deflate", "kept"])
def test_bodies_are_decoded_as_their_headers_say(
    replay: Replay, tmp_path: Path, packed: str
) -> None:
    plain = json.dumps(CHAT).encode()
    body = {"gzip": gzip.compress(plain), "deflate": zlib.compress(plain), "kept": plain}[packed]
    headers = {"Content-Encoding": ["gzip" if packed == "kept" else packed]}
    file = recorded(
        tmp_path, "https://o.example/v1/chat/completions", {"messages": ASK, "model": "m"}, body,
        headers=headers,
    )  # fmt: skip
    assert play(replay, file).outcome.error is None


def test_the_recorded_headers_choose_the_way(tmp_path: Path) -> None:
    url = "https://a.example/v1/messages?beta=true"
    asked = {"model": "m", "max_tokens": 5, "messages": ASK, "stream": True}
    for headers, expected in (
        ({}, "beta.messages.create (stream)"),
        ({"X-Stainless-Async": ["async:asyncio"]}, "async beta.messages.create (stream)"),
        ({"X-Stainless-Stream-Helper": ["messages"], "X-Stainless-Helper-Method": ["stream"]},
         "beta.messages.stream (managed)"),
        ({"X-Stainless-Raw-Response": ["raw"]}, "beta.messages.create (raw_stream)"),
        ({"X-Stainless-Raw-Response": [b"stream"]}, "beta.messages.create (lazy_stream)"),
    ):  # fmt: skip
        file = recorded(tmp_path, url, asked, b"", headers={})
        content = yaml.safe_load(file.read_text())
        content["interactions"][0]["request"]["headers"] = headers
        file.write_text(yaml.safe_dump(content))
        found = ways(load(file)[0])
        assert isinstance(found, list)
        assert str(found[0]) == expected


@pytest.mark.parametrize(
    "url",
    ["https://b.example/model/x/converse", "https://g.example/v1beta/models/g:countTokens"],
)
def test_what_cannot_be_driven_has_a_reason(tmp_path: Path, url: str) -> None:
    found = ways(load(recorded(tmp_path, url, {}, b"{}"))[0])
    assert isinstance(found, Unsupported)
    assert found.reason
