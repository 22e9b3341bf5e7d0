"""The local server and Phoenix side by side: the same spans by OTLP/HTTP, in one run.

The spans are in Phoenix's own dialect, OpenInference, which ours has to translate. Phoenix answers
before it has written, ours after; so both are measured until the last span can be read.
Phoenix is installed from the package registry into an environment of its own under the user's cache
folder, once; servers listen on loopback, with their data in a temporary folder.

    python benchmarks/server_rivals.py [--spans 2000] [--batch 100] [--rounds 20]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest import MODELS, SPANS_PER_TRACE, text

from alexobs.exporters.otlp.encode import encode_spans
from alexobs.records import Resource, Scope, SpanData

if TYPE_CHECKING:
    from collections.abc import Callable

PHOENIX = "20.26.1"
MOST_SPANS = 20_000
HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alexobs-peers"
SETTLE_S = 3.0
PATIENCE_S = 180.0
PROTOBUF = {"content-type": "application/x-protobuf"}
_LIST = """{ projects { edges { node { ... on Project { name traceCount spans(
  first: 50, filterCondition: "parent_id is None", sort: {col: startTime, dir: desc}) {
  edges { node {
  name statusCode startTime latencyMs tokenCountTotal spanId trace { traceId }
  costSummary { total { cost } } } } } } } } } }"""
_COUNT = "{ projects { edges { node { ... on Project { recordCount } } } } }"


class Server(NamedTuple):
    """How a server is started and asked."""

    name: str
    command: list[str]
    environment: dict[str, str]
    otlp_port: int
    api_port: int
    ready: str
    count: Callable[[int], int]
    list_traces: Callable[[int], int]


def bodies(count: int, batch: int) -> list[bytes]:
    """Return encoded requests: traces of one agent and its LLM calls, in OpenInference."""
    random_, start_ns = random.Random(1), time.time_ns() - 600 * 10**9
    resource = Resource({"service.name": "bench", "openinference.project.name": "default"})
    spans: list[SpanData] = []
    trace_id = root = 0
    for number in range(count):
        if number % SPANS_PER_TRACE == 0:
            trace_id, root = random_.getrandbits(128) or 1, 0
        one = _span(random_, trace_id, root, start_ns + number * 10**8)
        root = root or one.span_id
        spans.append(one)
    return [
        encode_spans(spans[place : place + batch], resource) for place in range(0, count, batch)
    ]


def _span(random_: random.Random, trace_id: int, root: int, start_ns: int) -> SpanData:
    common = {"session.id": f"session-{trace_id % 1000}"}
    attributes: dict[str, Any] = common | {"openinference.span.kind": "AGENT"}
    if root:
        tokens_in, tokens_out = random_.randrange(200, 4000), random_.randrange(10, 400)
        attributes = common | {
            "openinference.span.kind": "LLM",
            "llm.model_name": random_.choice(MODELS),
            "llm.token_count.prompt": tokens_in,
            "llm.token_count.completion": tokens_out,
            "llm.token_count.total": tokens_in + tokens_out,
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": text(random_, 20),
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": text(random_, 20),
        }
    return SpanData(
        trace_id=trace_id,
        span_id=random_.getrandbits(64) or 1,
        parent_span_id=root,
        name="ChatCompletion" if root else "agent",
        start_ns=start_ns,
        end_ns=start_ns + int(random_.lognormvariate(20.5, 0.6)),
        kind=1,
        scope=Scope("openinference.instrumentation.openai"),
        attributes=attributes,
    )


def ours(folder: Path) -> Server:
    """Return `alexobs up`."""
    grpc, otlp, web = free_ports(3)
    program = "from alexobs.cli import main; raise SystemExit(main())"
    ports = ["--grpc-port", str(grpc), "--http-port", str(otlp), "--web-port", str(web)]

    def count(port: int) -> int:
        body = json.dumps({"query": "SELECT count(*) FROM spans"}).encode()
        found = ask(port, "POST", "/api/sql", body, {"content-type": "application/json"})
        return int(found["rows"][0][0])

    return Server(
        "alexobs",
        [sys.executable, "-c", program, "up", "--data-dir", str(folder), *ports],
        {},
        otlp,
        web,
        "/readyz",
        count,
        lambda port: len(ask(port, "GET", "/api/traces?limit=50")["traces"]),
    )


def phoenix(folder: Path) -> Server:
    """Return `phoenix serve`, installed when it is not there."""
    port, grpc = free_ports(2)
    home = HOME / f"phoenix-{PHOENIX}"
    if not (home / "bin" / "phoenix").exists():
        print(f"installing Phoenix {PHOENIX} into {home}", file=sys.stderr)
        venv.create(home, with_pip=True)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "-q"]
        subprocess.run([*pip, f"arize-phoenix=={PHOENIX}"], check=True)

    def nodes(port: int, query: str) -> list[dict[str, Any]]:
        body = json.dumps({"query": query}).encode()
        found = ask(port, "POST", "/graphql", body, {"content-type": "application/json"})
        if found.get("errors"):
            raise SystemExit(f"Phoenix: {found['errors']}")
        return [edge["node"] for edge in found["data"]["projects"]["edges"]]

    return Server(
        f"Phoenix {PHOENIX}",
        [str(home / "bin" / "phoenix"), "serve"],
        {
            "PHOENIX_WORKING_DIR": str(folder),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(grpc),
            "PHOENIX_TELEMETRY_ENABLED": "false",
        },
        port,
        port,
        "/healthz",
        lambda port: sum(node["recordCount"] for node in nodes(port, _COUNT)),
        lambda port: sum(len(node["spans"]["edges"]) for node in nodes(port, _LIST)),
    )


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def ask(
    port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> Any:
    """Return what is answered, as JSON where it is JSON."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request(method, path, body, headers or {})
    answer = client.getresponse()
    text_ = answer.read()
    client.close()
    if answer.status != 200:
        raise SystemExit(f"{method} {path}: {answer.status} {text_[:300]!r}")
    return json.loads(text_) if "json" in (answer.headers["content-type"] or "") else text_


class Process:
    """A running server and its children."""

    def __init__(self, server: Server) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        begun = time.perf_counter()
        self._process = subprocess.Popen(
            server.command,
            env=os.environ | server.environment,
            stdout=self._log,
            stderr=self._log,
        )
        while not self._is_ready(server):
            if self._process.poll() is not None or time.perf_counter() - begun > PATIENCE_S:
                self._log.seek(0)
                sys.stderr.buffer.write(self._log.read()[-4000:])
                raise SystemExit(f"{server.name} did not start")
            time.sleep(0.01)
        self.start_s = time.perf_counter() - begun

    def _is_ready(self, server: Server) -> bool:
        try:
            ask(server.api_port, "GET", server.ready)
        except (OSError, http.client.HTTPException):
            return False
        return True

    def memory_mib(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def cpu_s(self) -> float:
        stat = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)
        self._log.close()


def measure(
    server: Server, folder: Path, requests: list[bytes], batch: int, rounds: int
) -> dict[str, float]:
    """Return the figures of one server."""
    process = Process(server)
    try:
        time.sleep(SETTLE_S)
        idle_mib = process.memory_mib()
        send(server.otlp_port, requests[:1])  # what is made ready at first use is not counted
        wait_for(server, batch)
        empty, cpu_s, begun = disk_bytes(folder), process.cpu_s(), time.perf_counter()
        send(server.otlp_port, requests[1:])
        wait_for(server, len(requests) * batch)
        seconds, cpu_s = time.perf_counter() - begun, process.cpu_s() - cpu_s
        times = []
        for _ in range(rounds):
            asked = time.perf_counter()
            listed = server.list_traces(server.api_port)
            times.append((time.perf_counter() - asked) * 1000)
        busy_mib = process.memory_mib()
    finally:
        process.stop()
    spans = (len(requests) - 1) * batch
    return {
        "start, s": process.start_s,
        "idle memory, MiB": idle_mib,
        "memory afterwards, MiB": busy_mib,
        "ingest until readable, spans/s": spans / seconds,
        "CPU per span, µs": cpu_s / spans * 1e6,
        "disk per span, bytes": (disk_bytes(folder) - empty) / spans,
        f"list of the newest {listed} traces, ms": statistics.median(times),
    }


def wait_for(server: Server, spans: int) -> None:
    """Return when so many spans can be read."""
    give_up = time.perf_counter() + PATIENCE_S
    while server.count(server.api_port) < spans:
        if time.perf_counter() > give_up:
            raise SystemExit(f"{server.name} has not shown all spans in {PATIENCE_S:g} s")
        time.sleep(0.02)


def send(port: int, requests: list[bytes]) -> None:
    """Send one request after the other, as an exporter does."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body in requests:
        while True:
            client.request("POST", "/v1/traces", body, PROTOBUF)
            answer = client.getresponse()
            answer.read()
            if answer.status == 200:
                break
            if answer.status not in (429, 503):
                raise SystemExit(f"/v1/traces: {answer.status}")
            time.sleep(0.1)
    client.close()


def disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spans", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    spans = min(args.spans, MOST_SPANS) // args.batch * args.batch
    requests = bodies(spans, args.batch)
    print(f"{spans:,} spans of {sum(map(len, requests)) / spans:.0f} bytes")
    found = {}
    for make in (phoenix, ours):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            server = make(folder)
            found[server.name] = measure(server, folder, requests, args.batch, args.rounds)
    print(f"| | {' | '.join(found)} |\n|---|{'---:|' * len(found)}")
    for label in next(iter(found.values())):
        figures = " | ".join(f"{figures[label]:,.4g}" for figures in found.values())
        print(f"| {label} | {figures} |")


if __name__ == "__main__":
    main()
