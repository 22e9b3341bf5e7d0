"""``python -m alexobs.testing``: a scripted provider in a process of its own.

It prints its address as one line, answers every request with the same reply, and ends when its
standard input does; benchmarks use it so that the provider's time is not counted as theirs.
"""

from __future__ import annotations

import argparse
import sys

from alexobs.testing.provider import ScriptedProvider


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m alexobs.testing", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0: a free one")
    parser.add_argument("--text", default="ok", help="the reply")
    parser.add_argument("--chunk-chars", type=int, default=8, help="characters per chunk")
    parser.add_argument("--chunk-every", type=float, default=0.0, help="seconds between chunks")
    options = parser.parse_args(arguments)
    with ScriptedProvider(port=options.port) as provider:
        provider.always(
            options.text, chunk_chars=options.chunk_chars, chunk_every_s=options.chunk_every
        )
        sys.stdout.write(f"{provider.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
