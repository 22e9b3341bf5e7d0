"""What redaction costs: clean text, clean and dirty batches of spans, one chat message, start-up.

Bias first: the text is English prose, code and JSON of chats, of which almost nothing is secret; a
text full of secrets costs about a hundred times as much per byte. Medians of repeated runs.

    python benchmarks/redaction.py
"""

from __future__ import annotations

import base64
import json
import os
import random
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from alexobs.config.model import RedactionConfig
from alexobs.redaction.engine import HyperscanEngine, PortableEngine
from alexobs.redaction.redactor import Redactor
from alexobs.testing.secrets import secret_samples

if TYPE_CHECKING:
    from collections.abc import Callable

PROSE = (
    "The agent read the file and found that the retry loop waits 250 ms between two attempts. "
    'It called `search(query="open telemetry", limit=10)` and got '
    '{"total_tokens": 812, "ids": [3]}. '
    "See /usr/lib/python3.11/asyncio/base_events.py, line 1936, and https://example.org/a?b=c&d=1. "
    "def handle(self, item: dict[str, int]) -> None:\n    return self.items.append(item)\n"
)


def per_call_s(call: Callable[[], Any], runs: int = 9) -> float:
    """Median seconds of one call."""
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def span_attributes(index: int) -> dict[str, Any]:
    return {
        "alex.session_id": f"session-{index // 20:08x}",
        "alex.tool_name": "read_file",
        "alex.iteration": index % 20,
        "alex.status": "success",
    }


def measure(redactor: Redactor) -> None:
    redactor.text("warm up")
    text = PROSE * 4000
    image = base64.b64encode(random.Random(1).randbytes(3_000_000)).decode()
    message = (PROSE * 3)[:1024]
    chat = json.dumps([{"role": "user", "content": message}])
    spans = [span_attributes(index) for index in range(500)]
    secret = secret_samples(1)[0].text
    dirty = [dict(span) for span in spans]
    dirty[250]["note"] = secret
    assert redactor.text(text) == text
    assert redactor.batch(spans) is spans
    assert redactor.text(chat) == chat
    megabytes = len(text) / 1e6
    print(f"{redactor.engine_name}:")
    rate = megabytes / per_call_s(lambda: redactor.text(text))
    print(f"  clean text            {rate:8.0f} MB/s")
    rate = len(image) / 1e6 / per_call_s(lambda: redactor.text(image))
    print(f"  base64 image          {rate:8.0f} MB/s")
    cost = per_call_s(lambda: redactor.batch(spans), 51) / 500 * 1e6
    print(f"  span of 4 attributes  {cost:8.2f} us, in a clean batch of 500")
    cost = per_call_s(lambda: redactor.batch(dirty), 51) / 500 * 1e6
    print(f"  span of 4 attributes  {cost:8.2f} us, in a batch with one secret")
    cost = per_call_s(lambda: redactor.text(chat), 501) * 1e6
    print(f"  chat message, 1 KB    {cost:8.2f} us")
    fields = {"duration": 1.5, "status": "success", "model": "m", "step": 3, "path": "/tmp/x"}
    cost = per_call_s(lambda: redactor.fields(fields), 501) * 1e6
    print(f"  log line, 5 fields    {cost:8.2f} us")
    cost = per_call_s(lambda: redactor.text(chat + secret), 101) * 1e6
    print(f"  the same, one secret  {cost:8.2f} us")
    known = dict.fromkeys(("password", "status"), "x")
    cost = per_call_s(lambda: redactor.fields(known), 501) * 1e6
    print(f"  secret by its name    {cost:8.2f} us")


START_UP = """
import time, sys
def rss(): return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
before = rss(); began = time.perf_counter()
from alexobs.redaction import Redactor
from alexobs.config.model import RedactionConfig
imported = time.perf_counter(); after_import = rss()
redactor = Redactor(RedactionConfig())
redactor.text("some text")
first_ms = (time.perf_counter() - imported) * 1e3
print(f"  {redactor.engine_name}: import {(imported - began) * 1e3:.0f} ms", end=" ")
print(f"{after_import - before:.1f} MB, first use {first_ms:.0f} ms {rss() - after_import:.1f} MB")
"""


def main() -> None:
    measure(Redactor(RedactionConfig(), engine=HyperscanEngine))
    measure(Redactor(RedactionConfig(), engine=PortableEngine))
    print("start-up, without and with the cached automaton:")
    sys.stdout.flush()
    home = os.environ | {"HOME": f"/tmp/alexobs-bench-{os.getpid()}"}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", START_UP], check=True, env=home)


if __name__ == "__main__":
    main()
