"""`import alexobs` does nothing but be there."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys

package = __import__("importlib.util").util.find_spec("alexobs").origin.removesuffix("__init__.py")
seen = []

def audit(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        path = arguments[0]
        if not path.endswith((".py", ".pyc", ".so")) and ".pyc." not in path:
            seen.append(f"opened {path}")
    elif event.startswith(("socket.", "_thread.", "subprocess.", "os.fork")):
        seen.append(event)

sys.addaudithook(audit)
import alexobs
heavy = {"asyncio", "grpc", "hyperscan", "msgspec", "opentelemetry", "urllib3", "yaml"}
seen += sorted(heavy & set(sys.modules))
import threading, signal
seen += [thread.name for thread in threading.enumerate()[1:]]
if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
    seen.append("SIGTERM")
print(seen)
"""


def test_an_import_starts_opens_and_loads_nothing() -> None:
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
