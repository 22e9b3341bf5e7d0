"""Beside other people's tracing: everybody sees their own spans, nobody sees doubles."""

from __future__ import annotations

import importlib.util
import itertools
from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from alexobs.testing.otlp import OTLPSink

    Start = Callable[..., subprocess.Popen[str]]

KIT = """
import json
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
theirs = InMemorySpanExporter()
"""

WORK = """
def work():
    with trace.get_tracer("app").start_as_current_span("theirs"):
        with obs.session("s"):
            with obs.span("ours"):
                with trace.get_tracer("app").start_as_current_span("theirs, inside"):
                    pass
work()
assert obs.flush(10)
print(json.dumps(sorted(span.name for span in theirs.get_finished_spans())), flush=True)
"""

THEIRS = '["theirs", "theirs, inside"]'
OURS = Counter(["alex.session.solve_task", "ours"])


def run(start: Start, program: str) -> str:
    process = start(program)
    out, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    return str(out).splitlines()[-1] if out else ""


def names(sink: OTLPSink) -> Counter[str]:
    return Counter(span.name for span in sink.spans())


def has(package: str) -> pytest.MarkDecorator:
    absent = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(absent, reason=f"{package} is not installed")


def test_without_a_provider_ours_becomes_the_global_one(start: Start, sink: OTLPSink) -> None:
    program = """
import alexobs
obs = alexobs.init(settings)
from opentelemetry import metrics, trace
assert trace.get_tracer_provider() is obs.tracer_provider
assert metrics.get_meter_provider() is obs.meter_provider
with obs.session("s"), trace.get_tracer("library").start_as_current_span("a library's span"):
    pass
assert obs.flush(10)
"""
    run(start, program)
    assert names(sink) == Counter(["alex.session.solve_task", "a library's span"])
    root, child = sorted(sink.spans(), key=lambda span: span.start_ns)
    assert (child.parent_span_id, child.origin.scope_name) == (root.span_id, "library")


def test_a_tracer_taken_before_init_finds_us(start: Start, sink: OTLPSink) -> None:
    program = """
from opentelemetry import trace
tracer = trace.get_tracer("early library")     # OpenTelemetry's proxy, resolved when it is used
import alexobs
obs = alexobs.init(settings)
with tracer.start_as_current_span("early"):
    pass
assert obs.flush(10)
"""
    run(start, program)
    assert names(sink) == Counter(["early"])


FIRST = """
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(theirs))
trace.set_tracer_provider(provider)
import alexobs
obs = alexobs.init(settings)
assert trace.get_tracer_provider() is provider
"""


def test_beside_the_sdk_of_opentelemetry(start: Start, sink: OTLPSink) -> None:
    assert run(start, KIT + FIRST + WORK) == THEIRS
    assert names(sink) == OURS
    session = sink.spans("alex.session.solve_task")[0]
    assert session.parent_span_id, "ours nests in theirs"


def test_their_spans_brought_in_once(start: Start, sink: OTLPSink) -> None:
    bridge = "provider.add_span_processor(obs.span_processor())\n"
    assert run(start, KIT + FIRST + bridge + WORK) == THEIRS
    assert names(sink) == OURS + Counter(["theirs", "theirs, inside"])
    by_name = {span.name: span for span in sink.spans()}
    chain = ["theirs", "alex.session.solve_task", "ours", "theirs, inside"]
    for above, below in itertools.pairwise(chain):
        assert by_name[below].parent_span_id == by_name[above].span_id
    assert len({span.trace_id for span in sink.spans()}) == 1
    run_id = by_name["ours"].attributes["alex.run_id"]
    assert by_name["theirs, inside"].attributes["alex.run_id"] == run_id


def test_an_sdk_that_comes_after_us_cannot_take_our_place_and_both_work(
    start: Start, sink: OTLPSink
) -> None:
    program = """
import alexobs
obs = alexobs.init(settings)
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(theirs))
trace.set_tracer_provider(provider)            # OpenTelemetry refuses, and says so
assert trace.get_tracer_provider() is obs.tracer_provider
with provider.get_tracer("app").start_as_current_span("theirs"), obs.span("ours"):
    pass
assert obs.flush(10)
print(json.dumps([span.name for span in theirs.get_finished_spans()]), flush=True)
"""
    assert run(start, KIT + program) == '["theirs"]'
    assert names(sink) == Counter(["ours"])


@has("logfire")
@pytest.mark.parametrize("order", ["logfire first", "alexobs first"])
def test_beside_logfire(start: Start, sink: OTLPSink, order: str) -> None:
    configure = """
import logfire
logfire.configure(send_to_logfire=False, console=False, inspect_arguments=False,
                  additional_span_processors=[SimpleSpanProcessor(theirs)])
"""
    init = "import alexobs\nobs = alexobs.init(settings)\n"
    work = """
provider = trace.get_tracer_provider()
with logfire.span("theirs"):
    with obs.session("s"), obs.span("ours"):
        with logfire.span("theirs, inside"):
            pass
assert trace.get_tracer_provider() is provider
assert obs.flush(10)
logfire.force_flush()
from logfire._internal.constants import ATTRIBUTES_SPAN_TYPE_KEY as kind
ended = [s.name for s in theirs.get_finished_spans() if s.attributes.get(kind) != "pending_span"]
print(json.dumps(sorted(ended)), flush=True)
"""
    first, second = (configure, init) if order == "logfire first" else (init, configure)
    assert run(start, KIT + first + second + work) == THEIRS
    assert names(sink) == OURS


@has("sentry_sdk")
@pytest.mark.parametrize("order", ["sentry first", "alexobs first"])
def test_beside_sentry(start: Start, sink: OTLPSink, order: str) -> None:
    configure = """
import sentry_sdk
from sentry_sdk.transport import Transport
class Kept(Transport):
    events = []
    def capture_envelope(self, envelope):
        for item in envelope.items:
            if item.payload.json is not None:
                self.events.append(item.payload.json)
sentry_sdk.init(dsn="http://public@127.0.0.1:9/1", transport=Kept, traces_sample_rate=1.0,
                default_integrations=False)
"""
    init = "import alexobs\nobs = alexobs.init(settings)\n"
    work = """
with sentry_sdk.start_transaction(name="theirs", op="task"):
    with obs.session("s"), obs.span("ours"):
        with sentry_sdk.start_span(name="theirs, inside", op="step"):
            pass
try:
    with obs.span("failing"):
        raise LookupError("both see it")
except LookupError as error:
    sentry_sdk.capture_exception(error)
sentry_sdk.flush()
assert obs.flush(10)
transactions = [e for e in Kept.events if e.get("type") == "transaction"]
errors = [e for e in Kept.events if "exception" in e]
found = [t["transaction"] for t in transactions]
found += [s["description"] for t in transactions for s in t["spans"]]
assert len(errors) == 1, errors
print(json.dumps(found), flush=True)
"""
    first, second = (configure, init) if order == "sentry first" else (init, configure)
    assert run(start, KIT + first + second + work) == THEIRS
    assert names(sink) == OURS + Counter(["failing"])


@has("sentry_sdk")
def test_beside_sentry_that_reads_opentelemetry(start: Start, sink: OTLPSink) -> None:
    program = """
import sentry_sdk
from sentry_sdk.integrations.opentelemetry import SentrySpanProcessor
sentry_sdk.init(dsn="http://public@127.0.0.1:9/1", instrumenter="otel", traces_sample_rate=1.0,
                default_integrations=False, transport=lambda envelope: None)
provider = TracerProvider()
provider.add_span_processor(SentrySpanProcessor())
provider.add_span_processor(SimpleSpanProcessor(theirs))
trace.set_tracer_provider(provider)
import alexobs
obs = alexobs.init(settings)
assert trace.get_tracer_provider() is provider
"""
    assert run(start, KIT + program + WORK) == THEIRS
    assert names(sink) == OURS
