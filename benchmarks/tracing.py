"""One span with four attributes: ours and the OpenTelemetry SDK's.

`caller_us` is what the application feels. `cpu_us` is all CPU of the process until the span has
been encoded as OTLP protobuf and taken by a receiver over HTTP in another process; neither
compresses towards this machine, by default.
Bias: ours is also redacted, written to disk before it is sent, and accounted for, which the SDK
does not do; nothing is switched off for the comparison. The SDK runs with its batch processor,
with a queue that is large enough to lose nothing. All record in bursts of 100 spans, 2 ms apart: an
agent waits for its model in between; what the pauses take themselves is taken off all. In one burst
of 10,000 spans the collector of the interpreter walks over whatever waits, which says more about
the burst than about those who record it.
"""

from __future__ import annotations

import tempfile
import time
from typing import TYPE_CHECKING, Any

from harness import Case, Group, compare, main
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from receiver import Receiver

from alexobs import Observability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


BURST, PAUSE_S = 100, 0.002


def pausing(calls: int) -> None:
    for number in range(calls):
        if not number % BURST:
            time.sleep(PAUSE_S)


def current(tracer: Any) -> Callable[[int], None]:
    def run(calls: int) -> None:
        for number in range(calls):
            if not number % BURST:
                time.sleep(PAUSE_S)
            with tracer.start_as_current_span(
                "operation",
                attributes={"model": "gpt-5-mini", "tokens": number, "cost": 0.25, "cached": False},
            ):
                pass

    return run


def detached(tracer: Any) -> Callable[[int], None]:
    def run(calls: int) -> None:
        for number in range(calls):
            if not number % BURST:
                time.sleep(PAUSE_S)
            tracer.start_span(
                "operation",
                attributes={"model": "gpt-5-mini", "tokens": number, "cost": 0.25, "cached": False},
            ).end()

    return run


def sdk(url: str) -> TracerProvider:
    provider = TracerProvider()
    exporter = OTLPSpanExporter(f"{url}/v1/traces")
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=100_000, max_export_batch_size=1024)
    )
    return provider


def ours(url: str, folder: str, **tracing: Any) -> Observability:
    return Observability(
        {},
        tracing={"otlp_endpoint": url, **tracing},
        pipeline={"spool_dir": folder},
        metrics={"prometheus": False, "otlp": False},
        logging={"otlp": False},
    )


def flushed(obs: Observability) -> Callable[[], None]:
    def settle() -> None:
        assert obs.flush(30)
        traces = obs.health().signals["traces"]
        assert traces.balanced
        assert not traces.dropped, traces

    return settle


def groups() -> Iterator[Group]:
    with Receiver() as url, tempfile.TemporaryDirectory() as folder:
        obs, off = ours(url, folder), ours(url, folder, enabled=False)
        unsampled = ours(url, folder, sample_rate=0.0)
        provider = sdk(url)
        tracer = provider.get_tracer("benchmark")
        for name, run in (
            ("span, 4 attributes", current),
            ("span that is not made current, 4 attributes", detached),
        ):
            yield compare(
                name,
                [
                    Case("alexobs", run(obs.tracer), flushed(obs)),
                    Case("OTel SDK", run(tracer), lambda: provider.force_flush(30_000)),
                    Case("alexobs, not sampled", run(unsampled.tracer)),
                    Case("alexobs, tracing off", run(off.tracer)),
                ],
                calls=4_000,
                around=pausing,
            )
        provider.shutdown()
        for one in (obs, off, unsampled):
            one.shutdown()


if __name__ == "__main__":
    main("tracing", groups)
