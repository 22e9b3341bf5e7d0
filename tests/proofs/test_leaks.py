"""Secrets go in everywhere that an agent can put them; none comes out anywhere."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import re
import urllib.request
from typing import TYPE_CHECKING, Any, cast

import hyperscan
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, Status, StatusCode

from alexobs import Observability
from alexobs.instrumentation import packages
from alexobs.testing.collectors import JaegerSink, ZipkinSink
from alexobs.testing.provider import Reply
from alexobs.testing.secrets import innocent_samples, personal_samples, secret_samples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from alexobs.testing.otlp import OTLPSink
    from alexobs.testing.provider import ScriptedProvider

SAMPLES = [*secret_samples(1), *personal_samples(1)]
PLACES = 6
SECRETS = sorted({sample.secret for sample in SAMPLES})


class Broken:
    """A processor of the user's that fails, with a secret in its message."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError(self._texts[0])

    def on_end(self, span: Any) -> None:
        raise RuntimeError(self._texts[1])


def spans_with(obs: Observability, texts: Sequence[str]) -> None:
    """Put every text into every place of a span that takes one."""
    for text in texts:
        with obs.session(text, session_id=text, user_id=text, agent=text, note=text) as session:
            session.set_attribute("more", {"deep": [text, {"deeper": (text,)}]})
            with obs.span(text, note=text, many=[text, "x"], raw=text.encode()) as span:
                span.add_event(text, {"note": text, "headers": {"x-custom": text}})
                span.add_link(span.get_span_context(), {"note": text})
                span.set_attribute(text, text)
                span.set_attribute("map", {text: 1})
                span.set_status(Status(StatusCode.ERROR, text))
        with contextlib.suppress(LookupError), obs.span("failing"):
            try:
                raise ValueError(text)
            except ValueError as error:
                raise LookupError(text, {"note": text}) from error


def calls_with(obs: Observability, texts: Sequence[str]) -> None:
    """Put every text into the arguments, results and exceptions of tools and functions."""

    @obs.tool
    def echo(text: str, options: dict[str, Any]) -> dict[str, Any]:
        if options["fail"]:
            raise LookupError(text)
        return {"result": text, "headers": {"x-custom": text}}

    for text in texts:
        echo(text, {"fail": False, "note": [text], text: text})
        with pytest.raises(LookupError):
            echo(text, {"fail": True})


def chats_with(obs: Observability, texts: Sequence[str], provider: ScriptedProvider) -> None:
    """Put every text into prompts and answers of the real client."""
    key = next(text for text in texts if text.isascii() and text.isprintable())
    provider.replies_by(lambda request: Reply(request.json["messages"][-1]["content"]))
    packages.instrument("openai", obs=obs)
    try:
        with openai.OpenAI(base_url=provider.openai_url, api_key=key) as client:
            for first in range(0, len(texts), 50):
                some = texts[first : first + 50]
                messages: Any = [{"role": "user", "content": text} for text in some]
                create = client.chat.completions.create
                create(model="m", messages=messages, user=some[0], metadata={"note": some[1]})
                for _ in create(model="m", messages=messages[-1:], stream=True):
                    pass
    finally:
        packages.uninstrument()


def lines_with(obs: Observability, texts: Sequence[str]) -> None:
    """Put every text into log lines: ours and those of `logging`."""
    log = logging.getLogger("app")
    log.propagate = True
    for text in texts:
        bound = obs.logger.bind(note=text)
        bound.info(text, field=text, nested={"deep": [text], text: 1}, raw=text.encode())
        bound.info("%s and %r", text, {"note": text})
        log.warning("%s", text, extra={"field": text, "nested": {"deep": text}})
        log.warning(text.replace("%", "%%"))
        try:
            raise ValueError(text)
        except ValueError:
            obs.logger.exception("failed")
            log.exception("failed")


def labels_with(obs: Observability, texts: Sequence[str]) -> None:
    """Put every text into the labels of metrics: instruments of one's own, and the built-in."""
    counter = obs.metrics.counter("things")
    histogram = obs.metrics.histogram("sizes")
    for text in texts:
        counter.add(1, {"note": text})
        histogram.record(1, {"note": text})
        obs.metrics.record_tool_execution(tool_name=text, status="success", duration_s=0.1)
        obs.metrics.record_llm_request(model=text, status="success", latency_s=0.1)


def foreign_spans_with(obs: Observability, texts: Sequence[str]) -> None:
    """Put every text into spans of OpenTelemetry's SDK, which a processor brings in."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(cast("Any", obs.span_processor()))
    tracer = provider.get_tracer("theirs")
    for text in texts:
        with tracer.start_as_current_span(text, attributes={"note": text, text: 1}) as span:
            span.add_event(text, {"note": text})
            link = Link(span.get_span_context(), {"note": text})
            span.set_status(StatusCode.ERROR, text)
        tracer.start_span("linked", links=[link]).end()


@functools.cache
def searched() -> hyperscan.Database:
    """All secrets, to be found in one pass: one after the other took three seconds an output."""
    database = hyperscan.Database()
    once = [hyperscan.HS_FLAG_SINGLEMATCH] * len(SECRETS)
    database.compile([re.escape(secret.encode()) for secret in SECRETS], flags=once)
    return database


def leaks(output: bytes) -> list[str]:
    found: set[int] = set()
    searched().scan(output, match_event_handler=lambda number, *_: found.add(number))
    return [SECRETS[number] for number in sorted(found)]


def test_a_leak_would_be_found() -> None:
    for secret in SECRETS:
        assert secret in leaks(b"before " + secret.encode() + b"after")


def unescaped(output: bytes) -> bytes:
    """Also as a reader of JSON would see it."""
    return output + output.replace(b"\\/", b"/").replace(b"\\\\", b"\\")


@pytest.fixture
def everything(settings: dict[str, Any]) -> dict[str, Any]:
    settings["logging"] |= {"stdlib": True, "level": "debug"}
    settings["metrics"] |= {"prometheus": True, "prometheus_port": 0}
    settings["pipeline"] |= {"queue_max_bytes": 10**9, "compression": "none"}
    return settings


@pytest.fixture
def obs(everything: dict[str, Any]) -> Iterator[Observability]:
    with Observability(everything) as made:
        yield made


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return bytes(answer.read())


def spool_of(settings: dict[str, Any], tmp_path: Path) -> bytes:
    return b"".join(p.read_bytes() for p in (tmp_path / "spool").rglob("*") if p.is_file())


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(PLACES))  # after all of them each secret was in each place
def test_no_secret_leaves_over_otlp_or_stands_on_disk(  # noqa: PLR0917
    turn: int,
    obs: Observability,
    everything: dict[str, Any],
    sink: OTLPSink,
    provider: ScriptedProvider,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    texts = [sample.text for sample in SAMPLES]
    texts = texts[turn:] + texts[:turn]
    sink.stop()
    spans_with(obs, texts[0::PLACES])
    calls_with(obs, texts[1::PLACES])
    chats_with(obs, texts[2::PLACES], provider)
    lines_with(obs, texts[3::PLACES])
    labels_with(obs, texts[4::PLACES])
    foreign_spans_with(obs, texts[5::PLACES])
    caplog.clear()  # pytest's own handler saw the application's records, as they were
    obs.add_span_processor(Broken(texts))
    with obs.span("one that fails in a processor"):
        pass

    def broken(_: Any) -> Any:
        raise RuntimeError(texts[2])

    obs.meter_provider.get_meter("app").create_observable_gauge("broken", [broken])
    obs._engine.export_metrics()
    obs._engine.pipeline.spool_all()
    on_disk = spool_of(everything, tmp_path)
    assert len(on_disk) > 1_000_000
    assert leaks(on_disk) == []

    sink.start()
    address = obs.health().prometheus
    assert address is not None
    page, health = read(address), read(address.replace("/metrics", "/healthz"))
    assert b"redacted:" in page
    assert (leaks(page), leaks(health)) == ([], [])

    assert obs.flush(30.0)
    bodies = b"\n".join(request.http.content for request in sink.requests)
    assert {"/v1/traces", "/v1/logs", "/v1/metrics"} <= {r.http.path for r in sink.requests}
    assert leaks(unescaped(bodies)) == []

    stream = capfd.readouterr()
    assert len(stream.err) > 500_000
    assert leaks(unescaped(stream.err.encode())) == []
    assert stream.out == ""
    diagnostics = "\n".join(r.getMessage() for r in caplog.records if r.name == "alexobs")
    assert "SpanProcessor" in diagnostics
    assert leaks(diagnostics.encode()) == []


@pytest.mark.parametrize("exporter", ["jaeger", "zipkin", "file", "console"])
def test_no_secret_leaves_by_another_exporter(
    everything: dict[str, Any],
    exporter: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    texts = [sample.text for sample in SAMPLES][6 :: 2 * PLACES]
    everything["logging"]["enabled"] = False
    with JaegerSink() as jaeger, ZipkinSink() as zipkin:
        everything["tracing"] |= {
            "exporter": exporter,
            "jaeger_endpoint": f"{jaeger.url}/api/traces",
            "zipkin_endpoint": f"{zipkin.url}/api/v2/spans",
            "file_path": str(tmp_path / "traces.jsonl"),
        }
        with Observability(everything) as obs:
            spans_with(obs, texts)
            calls_with(obs, texts)
            assert obs.flush(30.0)
        output = b"\n".join(r.http.content for r in [*jaeger.requests, *zipkin.requests])
        output += capfd.readouterr().err.encode()
        if exporter == "file":
            output += (tmp_path / "traces.jsonl").read_bytes()
    assert len(output) > 10_000
    assert leaks(unescaped(output)) == []


@pytest.mark.slow
def test_no_secret_is_in_what_announces_a_running_span(
    everything: dict[str, Any], sink: OTLPSink
) -> None:
    everything["tracing"]["announce"] = "on"
    texts = [sample.text for sample in SAMPLES][::5]
    with Observability(everything) as obs:
        with obs.span("one that ends starts the worker"):
            pass
        spans = [obs.tracer.start_span(text, attributes={"note": text}) for text in texts]
        assert sink.wait_until(
            lambda s: sum("running" in log.event_name for log in s.logs()) >= len(texts)
        )
        for span in spans:
            span.end()
    assert leaks(b"\n".join(request.http.content for request in sink.requests)) == []


def test_no_credential_of_ours_is_told(
    everything: dict[str, Any],
    sink: OTLPSink,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = "ours" + "7fd1c3a95e" * 3
    everything["tracing"] |= {
        "otlp_endpoint": sink.endpoint.replace("://", f"://user:{secret}@") + f"?api_key={secret}",
        "otlp_headers": {"x-api-key": secret},
    }
    sink.nonsense(f"no: x-api-key {secret}".encode(), status=400, times=4)
    with Observability(everything) as obs:
        with obs.span("refused"):
            pass
        obs.flush(5.0)
        sink.stop()
        with obs.span("waiting"):
            pass
        obs.flush(0.5)
        health = obs.health()
        address = health.prometheus
        assert address is not None
        told = json.dumps(health.as_dict(), default=str) + repr(obs.config)
        told += read(address).decode() + read(address.replace("/metrics", "/healthz")).decode()
    stream = capfd.readouterr()
    assert secret not in told + caplog.text + stream.out + stream.err
    assert "answered 400" in caplog.text


def test_innocent_look_alikes_stay_whole(
    everything: dict[str, Any], sink: OTLPSink, provider: ScriptedProvider
) -> None:
    texts = innocent_samples(1)
    with Observability(everything) as obs:
        spans_with(obs, texts)
        calls_with(obs, texts)
        chats_with(obs, texts, provider)
        lines_with(obs, texts)
        labels_with(obs, texts)
        assert obs.flush(30.0)
    assert {span.attributes["note"] for span in sink.spans() if "note" in span.attributes} == set(
        texts
    )
    assert set(texts) <= {span.name for span in sink.spans()}
    assert set(texts) <= {event.name for span in sink.spans() for event in span.events}
    short = {text for text in texts if len(text) < 8000}  # longer ones are cut there
    assert short <= {str(log.attributes.get("field")) for log in sink.logs()}
    assert short <= {str(log.body) for log in sink.logs()}
    results = [span.attributes.get("gen_ai.tool.call.result", "") for span in sink.spans()]
    assert set(texts) <= {json.loads(result)["result"] for result in results if result}
    asked = "".join(str(s.attributes.get("gen_ai.input.messages", "")) for s in sink.spans())
    assert [text for text in texts if json.dumps(text, ensure_ascii=False)[1:-1] not in asked] == []
    points = [point for metric in sink.metrics("things") for point in metric.points]
    assert short <= {point.attributes["note"] for point in points}
