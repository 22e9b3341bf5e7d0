"""CPU added to one OpenAI chat call of 2 messages and 1 KB: ours and OpenInference's.

All capture the content and send it over OTLP/HTTP to a receiver in another process. The provider is
a transport inside this process that answers at once, because only what is added matters; the SDK's
own work is in both halves of the difference. `caller_us` is what the calling thread takes more than
without instrumentation, `cpu_us` adds what background threads take until all is sent. Both come
from the fastest of many small batches, bare and observed in turn: the difference of two large
numbers is noise otherwise. `cpu_share` is `cpu_us` as a part of what a bare call takes in the same
process, so that competitors that ran at different moments can be compared. Bias: ours also redacts,
prices, meters, logs and spools each call; nothing of it is switched off. Each competitor runs in a
process of its own, because they patch globally.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import harness
from harness import CALLER_US, CPU_US, Group
from receiver import Receiver

BATCHES, CALLS, WARM_UP = 25, 10, 5
PAUSE_S = 0.02  # between batches: an agent waits for its model, and background threads work
CPU_SHARE = "cpu_share"

ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1731456237,
        "model": "gpt-5-mini-2025-08-07",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "word " * 100, "refusal": None},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 120,
            "completion_tokens": 100,
            "total_tokens": 220,
            "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
    }
).encode()

Settle = Callable[[], object]
Switch = Callable[[bool], object]  # between bare and observed, for who patches globally


def client(module: Any = None, *, delay_s: float = 0.0) -> Any:
    """Return an OpenAI client whose provider answers within this process, after `delay_s`."""
    import httpx2  # noqa: PLC0415 - what the OpenAI package itself uses
    import openai  # noqa: PLC0415

    class Answering(httpx2.BaseTransport):
        def handle_request(self, request: Any) -> Any:
            if delay_s:
                time.sleep(delay_s)
            headers = {"content-type": "application/json"}
            return httpx2.Response(200, headers=headers, content=ANSWER, request=request)

    return (module or openai).OpenAI(
        api_key="unused",
        base_url="http://127.0.0.1:9/v1",
        http_client=httpx2.Client(transport=Answering()),
    )


def alexobs_client(url: str, folder: str) -> tuple[Any, Settle, Switch]:
    from alexobs import Observability  # noqa: PLC0415

    obs = Observability(
        {},
        tracing={"otlp_endpoint": url},
        pipeline={"spool_dir": folder},
        metrics={"prometheus": False},
    )

    def settle() -> None:
        assert obs.flush(30)
        traces = obs.health().signals["traces"]
        assert traces.balanced
        assert not traces.dropped, traces

    return obs.instrument(client()), settle, bool


def openinference_client(url: str, _: str) -> tuple[Any, Settle, Switch]:
    from openinference.instrumentation.openai import OpenAIInstrumentor  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider()
    exporter = OTLPSpanExporter(f"{url}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    instrumentor = OpenAIInstrumentor()

    def switch(on: bool) -> None:
        if on:
            instrumentor.instrument(tracer_provider=provider)
        else:
            instrumentor.uninstrument()

    switch(True)
    return client(), lambda: provider.force_flush(30_000), switch


CLIENTS: dict[str, Callable[[str, str], tuple[Any, Settle, Switch]]] = {
    "alexobs": alexobs_client,
    "OpenInference": openinference_client,
}


def batch_us(one: Any) -> float:
    """Return the calling thread's microseconds for one call, in a small batch of them."""
    messages = [{"role": "system", "content": "s" * 200}, {"role": "user", "content": "u" * 800}]
    time.sleep(PAUSE_S)
    start = time.thread_time_ns()
    for _ in range(CALLS):
        one.chat.completions.create(model="gpt-5-mini", messages=messages)
    return (time.thread_time_ns() - start) / CALLS / 1e3


def background_ns() -> int:
    """Return the CPU that all threads but this one have taken."""
    return time.process_time_ns() - time.thread_time_ns()


def measure(name: str, url: str, folder: str) -> dict[str, float]:
    """Measure one competitor in this process."""
    bare = client()
    one, settle, switch = CLIENTS[name](url, folder)
    batches: list[tuple[float, float]] = []
    for number in range(-WARM_UP, BATCHES):
        if number == 0:
            settle()
            batches.clear()
            before_ns = background_ns()
        switch(False)
        without = batch_us(bare)
        switch(True)
        batches.append((without, batch_us(one)))
    background = background_ns() - before_ns
    before_ns = time.process_time_ns()
    settle()
    background += time.process_time_ns() - before_ns
    without, observed = (statistics.quantiles(c, n=10)[0] for c in zip(*batches, strict=True))
    added = observed - without
    cpu_us = added + background / (BATCHES * CALLS) / 1e3
    return {CALLER_US: added, CPU_US: cpu_us, CPU_SHARE: cpu_us / without}


def groups() -> Iterator[Group]:
    """Run every competitor in processes of its own, in turn."""
    group = Group("CPU added to one chat call")
    with Receiver() as url:
        for _ in range(harness._default_rounds):  # noqa: SLF001 - set by its command line
            for name in CLIENTS:
                group.add(name, child(name, url))
    yield group


def child(name: str, url: str) -> dict[str, float]:
    """Measure one competitor in a child process."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, __file__, "--child", name, url, folder],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "HOME": folder},
        )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Run as a benchmark, or as one of its children."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--child", nargs=3)
    options, rest = parser.parse_known_args()
    if not options.child:
        harness.main("llm_call", groups, rest)
        return
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        measured = measure(*options.child)
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
