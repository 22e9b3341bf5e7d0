"""How many LLM spans per second the server takes, durably, with client and server on one machine.

Each request is answered when its group is committed, so the clock stops at durable. The spans hold
message contents and are all different. The client's work (HTTP) is inside the figure; making and
encoding the spans is not, because that is the SDK's benchmark.

    python benchmarks/ingest.py [--spans 200000] [--batch 2000] [--clients 4] [--foreign]
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from alexobs import semconv
from alexobs.exporters.otlp.encode import encode_spans
from alexobs.records import Resource, Scope, SpanData

_WORDS = [
    "the",
    "agent",
    "reads",
    "a",
    "file",
    "then",
    "runs",
    "tests",
    "and",
    "finds",
    "that",
    "one",
    "of",
    "them",
    "fails",
    "because",
    "import",
    "order",
    "changed",
    "when",
    "module",
    "was",
    "split",
    "so",
    "it",
    "opens",
    "second",
    "file",
    "edits",
    "function",
    "returns",
    "value",
    "checks",
    "again",
    "with",
    "verbose",
    "output",
    "sees",
    "green",
    "result",
    "writes",
    "summary",
    "for",
    "user",
    "about",
    "what",
    "was",
    "wrong",
    "how",
    "it",
    "has",
    "been",
    "repaired",
    "which",
    "risk",
    "remains",
    "session",
    "budget",
    "model",
    "latency",
    "tokens",
]
MODELS = ("gpt-5-mini", "gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash")
SPANS_PER_TRACE = 20


def text(random_: random.Random, words: int) -> str:
    return " ".join(random_.choices(_WORDS, k=words))


def span(
    random_: random.Random, trace_id: int, index: int, start_ns: int, scope: Scope
) -> SpanData:
    """Return one LLM span; the first of a trace is its root."""
    model = random_.choice(MODELS)
    tokens_in, tokens_out = random_.randrange(200, 4000), random_.randrange(10, 400)
    cached = random_.randrange(0, tokens_in) if random_.random() < 0.5 else 0
    prompt = {"role": "user", "parts": [{"type": "text", "content": text(random_, 9)}]}
    answer = {"role": "assistant", "parts": [{"type": "text", "content": text(random_, 9)}]}
    return SpanData(
        trace_id=trace_id,
        span_id=random_.getrandbits(64) or 1,
        parent_span_id=0 if index == 0 else (trace_id & (2**64 - 1)) or 1,
        name=semconv.SPAN_LLM,
        start_ns=start_ns,
        end_ns=start_ns + int(random_.lognormvariate(20.5, 0.6)),
        kind=3,
        scope=scope,
        attributes={
            semconv.ALEX_KIND: "llm",
            semconv.ALEX_STATUS: "success",
            semconv.ALEX_SESSION_ID: f"session-{trace_id % 100_000}",
            semconv.GEN_AI_OPERATION_NAME: "chat",
            semconv.GEN_AI_PROVIDER_NAME: "openai",
            semconv.GEN_AI_REQUEST_MODEL: model,
            semconv.ALEX_TOKENS_UNCACHED_INPUT: tokens_in - cached,
            semconv.ALEX_TOKENS_CACHE_READ: cached,
            semconv.ALEX_TOKENS_OUTPUT: tokens_out,
            semconv.ALEX_COST: tokens_in * 1e-6 + tokens_out * 4e-6,
            semconv.GEN_AI_INPUT_MESSAGES: json.dumps([prompt], separators=(",", ":")),
            semconv.GEN_AI_OUTPUT_MESSAGES: json.dumps([answer], separators=(",", ":")),
        },
    )


def bodies(
    count: int,
    batch: int,
    *,
    foreign: bool,
    seed: int = 1,
    ago_s: int = 900,
    length_s: int = 900,
) -> list[bytes]:
    """Return encoded requests of `batch` spans each, `count` spans in all.

    The first one started `ago_s` seconds ago, the last one `length_s` later.
    """
    random_ = random.Random(seed)
    scope = Scope("somebody.elses" if foreign else "alexobs", "1")
    resource = Resource({"service.name": "bench", "service.instance.id": "1"})
    start_ns = time.time_ns() - ago_s * 10**9
    step_ns = length_s * 10**9 // max(count, 1)
    made: list[bytes] = []
    spans: list[SpanData] = []
    trace_id = 0
    for number in range(count):
        index = number % SPANS_PER_TRACE
        if index == 0:
            trace_id = random_.getrandbits(128) or 1
        one = span(random_, trace_id, index, start_ns + number * step_ns, scope)
        if foreign:
            one.attributes = as_foreign(one.attributes)
        spans.append(one)
        if len(spans) == batch or number == count - 1:
            made.append(encode_spans(spans, resource))
            spans = []
    return made


def as_foreign(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes as the GenAI conventions have them, without ours."""
    kept = {key: value for key, value in attributes.items() if not key.startswith("alex.")}
    uncached = attributes[semconv.ALEX_TOKENS_UNCACHED_INPUT]
    kept[semconv.GEN_AI_USAGE_INPUT_TOKENS] = uncached + attributes[semconv.ALEX_TOKENS_CACHE_READ]
    kept[semconv.GEN_AI_USAGE_OUTPUT_TOKENS] = attributes[semconv.ALEX_TOKENS_OUTPUT]
    kept[semconv.GEN_AI_CONVERSATION_ID] = attributes[semconv.ALEX_SESSION_ID]
    return kept


class ServerProcess:
    """`alexobs up` on free ports; `http` and `web` are the ports."""

    def __init__(self, folder: Path) -> None:
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from alexobs.cli import main; raise SystemExit(main())",
                "up",
                "--data-dir",
                str(folder),
                "--grpc-port",
                "0",
                "--http-port",
                "0",
                "--web-port",
                "0",
                "--retention-days",
                "0",
                "--retention-gb",
                "0",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(4)]
        self.start_s = time.perf_counter() - begun
        ports = {
            name: int(line.rsplit(":", 1)[1])
            for name, line in zip(("web", "grpc", "http"), lines[:3], strict=True)
        }
        self.http, self.web = ports["http"], ports["web"]

    def memory_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def send(port: int, requests: list[bytes], failures: list[str]) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"content-type": "application/x-protobuf"}
    while True:
        try:
            body = requests.pop()
        except IndexError:
            break
        while True:
            client.request("POST", "/v1/traces", body, headers)
            response = client.getresponse()
            response.read()
            if response.status == 200:
                break
            if response.status not in (429, 503):
                failures.append(str(response.status))
                break
            time.sleep(0.05)
    client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spans", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--foreign", action="store_true", help="gen_ai.* without ours")
    args = parser.parse_args()
    requests = bodies(args.spans, args.batch, foreign=args.foreign)
    size = sum(map(len, requests))
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder))
        idle = server.memory_mib()
        failures: list[str] = []
        threads = [
            threading.Thread(target=send, args=(server.http, requests, failures))
            for _ in range(args.clients)
        ]
        begun, cpu, own = time.perf_counter(), server.cpu_s(), time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - begun
        cpu, own = server.cpu_s() - cpu, time.process_time() - own
        busy = server.memory_mib()
        server.stop()
        disk = sum(path.stat().st_size for path in Path(folder).iterdir())
    figures = {
        "spans_per_s": args.spans / seconds,
        "bytes_per_span": size / args.spans,
        "server_cpu_us_per_span": cpu / args.spans * 1e6,
        "client_cpu_us_per_span": own / args.spans * 1e6,
        "disk_bytes_per_span": disk / args.spans,
        "start_s": server.start_s,
        "idle_mib": idle,
        "busy_mib": busy,
        "failures": len(failures),
    }
    for name, value in figures.items():
        print(f"{name:24} {value:12,.2f}")


if __name__ == "__main__":
    main()
