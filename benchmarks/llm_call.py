"""CPU added to one OpenAI chat call of 2 messages and 1 KB: ours and two LLM instrumentations.

All capture the content and send it over OTLP/HTTP to a receiver in another process. The provider
is a transport inside this process that answers at once, because only what is added matters; the
SDK's own work is in both halves of the difference. `caller_us` is what the calling thread takes
more than without instrumentation, `cpu_us` adds what background threads take until all is sent.
Both come from the fastest of many small batches: the difference of two large numbers is noise
otherwise. Bias: ours also redacts, prices, meters, logs and spools each call; nothing of it is
switched off. Each competitor runs in a process of its own, because they patch globally.
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

BATCHES, CALLS = 60, 20
RIVALS = ("OpenInference", "Langfuse")
BEST = "best peer"

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


def client(module: Any = None) -> Any:
    """Return an OpenAI client whose provider answers within this process."""
    import httpx2  # noqa: PLC0415 - what the OpenAI package itself uses
    import openai  # noqa: PLC0415

    class Answering(httpx2.BaseTransport):
        def handle_request(self, request: Any) -> Any:
            headers = {"content-type": "application/json"}
            return httpx2.Response(200, headers=headers, content=ANSWER, request=request)

    return (module or openai).OpenAI(
        api_key="unused",
        base_url="http://127.0.0.1:9/v1",
        http_client=httpx2.Client(transport=Answering()),
    )


def alexobs_client(url: str, folder: str) -> tuple[Any, Settle]:
    from alexobs import Observability  # noqa: PLC0415

    obs = Observability(
        {},
        tracing={"otlp_endpoint": url},
        pipeline={"spool_dir": folder},
        metrics={"prometheus": False},
    )

    def settle() -> None:
        assert obs.flush(30)
        assert not obs.health().problems, obs.health().problems

    return obs.instrument(client()), settle


def openinference_client(url: str, _: str) -> tuple[Any, Settle]:
    from openinference.instrumentation.openai import OpenAIInstrumentor  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http import Compression  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider()
    exporter = OTLPSpanExporter(f"{url}/v1/traces", compression=Compression.Gzip)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    return client(), lambda: provider.force_flush(30_000)


def langfuse_client(url: str, _: str) -> tuple[Any, Settle]:
    import langfuse  # noqa: PLC0415
    import langfuse.openai  # noqa: PLC0415

    made = langfuse.Langfuse(public_key="unused", secret_key="unused", base_url=url)
    return client(langfuse.openai), made.flush


CLIENTS: dict[str, Callable[[str, str], tuple[Any, Settle]]] = {
    "alexobs": alexobs_client,
    "OpenInference": openinference_client,
    "Langfuse": langfuse_client,
}


def batches(one: Any) -> list[float]:
    """Return the calling thread's microseconds per call, for each of many small batches."""
    messages = [{"role": "system", "content": "s" * 200}, {"role": "user", "content": "u" * 800}]
    times = []
    for _ in range(BATCHES):
        start = time.thread_time_ns()
        for _ in range(CALLS):
            one.chat.completions.create(model="gpt-5-mini", messages=messages)
        times.append((time.thread_time_ns() - start) / CALLS / 1e3)
    return times


def measure(name: str, url: str, folder: str) -> dict[str, float]:
    """Measure one competitor in this process."""
    bare = client()
    batches(bare)
    without = batches(bare)
    one, settle = CLIENTS[name](url, folder)
    batches(one)
    settle()
    process_start, thread_start = time.process_time_ns(), time.thread_time_ns()
    observed = batches(one)
    background = (time.process_time_ns() - process_start) - (time.thread_time_ns() - thread_start)
    process_start = time.process_time_ns()
    settle()
    background += time.process_time_ns() - process_start
    added = statistics.quantiles(observed, n=10)[0] - statistics.quantiles(without, n=10)[0]
    return {CALLER_US: added, CPU_US: added + background / (BATCHES * CALLS) / 1e3}


def groups() -> Iterator[Group]:
    """Run every competitor in processes of its own, in turn."""
    group = Group("CPU added to one chat call")
    with Receiver() as url:
        for _ in range(harness._default_rounds):  # noqa: SLF001 - set by its command line
            peers = []
            for name in CLIENTS:
                measured = child(name, url)
                group.add(name, measured)
                if name in RIVALS:
                    peers.append(measured)
            group.add(BEST, min(peers, key=lambda one: one[CPU_US]))
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
