"""What ``import alexobs`` costs in a fresh interpreter: time, memory, threads, sockets.

Bias, first: the files are in the page cache and compiled. `import_ms` is CPU time, which other
programs on the machine do not stretch. For orientation the SDK and structlog are imported too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import harness
from harness import Group, main

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = {
    "alexobs": "import alexobs",
    "alexobs, all that init() needs": "import alexobs; alexobs.Observability",
    "OTel SDK": "import opentelemetry.sdk.trace, opentelemetry.sdk.trace.export",
    "structlog": "import structlog",
}
CHILD = """
import json, os, threading, time
def rss_mib():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
before_mib = rss_mib()
start_ns = time.process_time_ns()
{statement}
spent_ns = time.process_time_ns() - start_ns
assert threading.active_count() == 1, threading.enumerate()
print(json.dumps({{"import_ms": spent_ns / 1e6, "memory_mib": rss_mib() - before_mib}}))
"""


def groups() -> Iterator[Group]:
    """Import each in a process of its own, in turn."""
    group = Group("import")
    for _ in range(harness._default_rounds):  # noqa: SLF001 - set by its command line
        for name, statement in CASES.items():
            code = CHILD.format(statement=statement)
            done = subprocess.run(
                [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True
            )
            group.add(name, json.loads(done.stdout))
    yield group


if __name__ == "__main__":
    main("imports", groups)
