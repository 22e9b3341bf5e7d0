"""A running server with known telemetry, and Debian's Chromium to look at its page."""

from __future__ import annotations

import json
import shutil
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# No sandbox in a container, no GPU, and no traffic but to the server under test.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pairs(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return attributes as OTLP/JSON has them."""
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": value if isinstance(value, str) else json.dumps(value)}


@dataclass
class Trace:
    """Spans of one trace, made one after the other; times in ms since its start."""

    server: RunningServer
    trace_id: str
    start_ms: float
    spans: list[dict[str, Any]] = field(default_factory=list)

    def span(
        self,
        name: str,
        at: float,
        ms: float,
        *,
        parent: str = "",
        error: str = "",
        **attributes: Any,
    ) -> str:
        span_id = f"{len(self.spans) + 1:016x}"
        start_ns = int((self.start_ms + at) * 1_000_000)
        named = {key.replace("__", "."): value for key, value in attributes.items()}
        self.spans.append(
            {
                "traceId": self.trace_id,
                "spanId": span_id,
                "parentSpanId": parent,
                "name": name,
                "kind": 1,
                "startTimeUnixNano": str(start_ns),
                "endTimeUnixNano": str(start_ns + int(ms * 1_000_000)),
                "attributes": pairs(named),
                "status": {"code": 2, "message": error} if error else {},
            }
        )
        return span_id

    def llm(self, at: float, ms: float, *, parent: str, model: str = "gpt-4.1", **more: Any) -> str:
        return self.span(
            "alex.llm.generate", at, ms, parent=parent,
            gen_ai__operation__name="chat", gen_ai__request__model=model,
            gen_ai__provider__name="openai",
            **{"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 50} | more,
        )  # fmt: skip

    def tool(self, name: str, at: float, ms: float, *, parent: str, **more: Any) -> str:
        return self.span(
            "alex.tool.execute", at, ms, parent=parent,
            gen_ai__operation__name="execute_tool", gen_ai__tool__name=name, **more,
        )  # fmt: skip

    def send(self, service: str = "web-test") -> None:
        self.server.post(
            "traces",
            {
                "resourceSpans": [
                    {
                        "resource": {"attributes": pairs({"service.name": service})},
                        "scopeSpans": [{"scope": {"name": "test"}, "spans": self.spans}],
                    }
                ]
            },
        )


class RunningServer:
    """A server in a thread of this process, on free ports, with a store of its own."""

    def __init__(self, folder: Path, token: str = "") -> None:
        from alexobs.server.app import Server, Settings  # noqa: PLC0415 - an optional extra

        settings = Settings(data_dir=folder, grpc_port=0, http_port=0, web_port=0, token=token)
        self._server = Server(settings)
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: self._server.run(ready=ready.set))
        self._thread.start()
        assert ready.wait(20)
        self.url = f"http://127.0.0.1:{self._server.port('web')}"
        self._otlp = f"http://127.0.0.1:{self._server.port('http')}"
        self._ids = count(1)

    def trace(self, ago_ms: float = 60_000) -> Trace:
        return Trace(self, f"{next(self._ids):032x}", time.time() * 1000 - ago_ms)

    def log(self, body: str, *, service: str = "web-test", level: int = 9, **more: Any) -> None:
        attributes = more.pop("attributes", {})
        record = {
            "timeUnixNano": str(time.time_ns()), "severityNumber": level,
            "body": {"stringValue": body}, "attributes": pairs(attributes), **more,
        }  # fmt: skip
        resource = {"attributes": pairs({"service.name": service})}
        logs = {"scopeLogs": [{"scope": {"name": "test"}, "logRecords": [record]}]}
        self.post("logs", {"resourceLogs": [{"resource": resource, **logs}]})

    def post(self, signal: str, body: dict[str, Any]) -> None:
        self.post_bytes(signal, json.dumps(body).encode(), "application/json")

    def post_bytes(self, signal: str, body: bytes, kind: str = "application/x-protobuf") -> None:
        request = urllib.request.Request(f"{self._otlp}/v1/{signal}", body, {"content-type": kind})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:
            return json.load(answer)

    def stop(self) -> None:
        self._server.stop()
        self._thread.join(20)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    pytest.importorskip("duckdb", reason="the server needs: pip install 'alexobs[server]'")
    running = RunningServer(tmp_path_factory.mktemp("store"))
    yield running
    running.stop()


@pytest.fixture(scope="module")  # while it is open, no other test can run an event loop
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("the page is not tested: there is no Chromium (apt-get install chromium)")
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, server: RunningServer) -> Iterator[Callable[..., Page]]:
    """Open a place of the page; whatever the browser complains about fails the test."""
    complaints: list[str] = []
    expected: list[str] = []
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)

    def open_(place: str, *expected_complaints: str) -> Page:
        expected.extend(expected_complaints)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        page.goto(f"{server.url}/{place}")
        return page

    yield open_
    context.close()
    assert [one for one in complaints if not any(text in one for text in expected)] == []


@pytest.fixture
def cpu_meter() -> Callable[[Page], Callable[[], float]]:
    """A function that returns what tells the CPU time, in ms, of a page's thread since then.

    However busy the machine is, it is the page's own.
    """

    def meter(page: Page) -> Callable[[], float]:
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def read() -> float:
            metrics = session.send("Performance.getMetrics")["metrics"]
            return 1000 * next(one["value"] for one in metrics if one["name"] == "TaskDuration")

        began = read()
        return lambda: read() - began

    return meter
