"""`alexobs spool`: what waits on disk for delivery; send it, or throw it away."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexobs.config.load import load
from alexobs.pipeline import adoption
from alexobs.pipeline.delivery import Delivery
from alexobs.pipeline.spool import Spool

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from alexobs.pipeline.adoption import Listing
    from alexobs.records import Signal

DONE, LEFT, REFUSED = 0, 1, 2


def register(subparsers: Any) -> None:
    """Add `spool` and what can follow it."""
    text = "list, send or throw away what waits on disk"
    parser = subparsers.add_parser("spool", help=text, description=f"{text.capitalize()}.")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("ls", help="list what waits, by process")
    replay = actions.add_parser(
        "replay",
        help="send what processes that have ended left",
        epilog="Exit codes: 0 nothing is left, 1 something is, 2 unusable configuration.",
    )
    replay.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS", help="time for it (default: 60)"
    )
    replay.add_argument(
        "--anywhere", action="store_true", help="send also what was for another back end"
    )
    purge = actions.add_parser(
        "purge",
        help="throw away what processes that have ended left",
        epilog="Exit codes: 0 thrown away, 2 not confirmed.",
    )
    purge.add_argument("--yes", action="store_true", help="do not ask")
    for action in (listing, replay, purge):
        action.add_argument("--dir", help="the spool; default: pipeline.spool_dir")
        action.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Run `args.action` and return the exit code."""
    directory = Path(args.dir or load().pipeline.spool_dir).expanduser()
    return {"ls": _ls, "replay": _replay, "purge": _purge}[args.action](args, directory)


def _ls(args: argparse.Namespace, directory: Path) -> int:
    listings = list(adoption.scan(directory))
    if args.json:
        print(
            json.dumps({"directory": str(directory), "spools": [*map(_plain, listings)]}, indent=2)
        )
    elif not listings:
        print(f"{directory}: nothing waits")
    else:
        print(_table(listings, time.time_ns()))
    return DONE


def _plain(listing: Listing) -> dict[str, Any]:
    waiting = {
        encoding: {signal: pending._asdict() for signal, pending in signals.items()}
        for encoding, signals in listing.waiting.items()
    }
    return {**asdict(listing), "waiting": waiting}


def _table(listings: Sequence[Listing], now_ns: int) -> str:
    rows = [("PROCESS", "STATE", "OLDEST", "SIZE", "WAITING")]
    rows += [
        (
            one.process,
            "running" if one.live else "ended",
            _age(one.oldest_ns, now_ns),
            _size(one.size_bytes),
            _waiting(one),
        )
        for one in listings
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _waiting(listing: Listing) -> str:
    parts = [
        f"{pending.records} {signal} ({encoding})"
        for encoding, signals in listing.waiting.items()
        for signal, pending in signals.items()
    ]
    if listing.damaged_bytes:
        parts.append(f"{_size(listing.damaged_bytes)} damaged")
    parts += [f"left alone: {name}" for name in listing.left_alone]
    return ", ".join(parts) or "nothing"


def _age(then_ns: int | None, now_ns: int) -> str:
    if then_ns is None:
        return "-"
    seconds = max(0, (now_ns - then_ns) // 1_000_000_000)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


class _Progress:
    """Counts what is delivered, and shows it while somebody looks."""

    def __init__(self, total: int) -> None:
        self.delivered: Counter[str] = Counter()
        self._total = total
        self._shown = sys.stderr.isatty()

    def exported(self, signal: Signal, count: int) -> None:
        """Nothing is this process's own."""

    def dropped(self, signal: Signal, reason: str, count: int) -> None:
        """Nothing is this process's own."""

    def replayed(self, signal: Signal, count: int) -> None:
        """Count and show."""
        self.delivered[signal] += count
        if self._shown:
            done = self.delivered.total()
            bar = "#" * (30 * done // max(self._total, done, 1))
            print(f"\r[{bar:<30}] {done} of {self._total}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._shown and self.delivered:
            print(file=sys.stderr)


def _replay(args: argparse.Namespace, directory: Path) -> int:
    # Loads transports.
    from alexobs.exporters.factory import make_exporters  # noqa: PLC0415
    from alexobs.parts import destinations  # noqa: PLC0415

    exporters = make_exporters(load())
    progress = _Progress(_ended(directory))
    complaints: list[str] = []
    delivery = Delivery(
        destinations(exporters),
        Spool(directory),
        progress,
        say=complaints.append,
    )
    try:
        delivery.replay_now(time.monotonic() + args.timeout, anywhere=args.anywhere)
    finally:
        delivery.close()
        progress.end()
    return _tell(
        args, dict(progress.delivered), delivery.replay.lost, _ended(directory), complaints
    )


def _ended(directory: Path) -> int:
    return sum(
        pending.records
        for listing in adoption.scan(directory)
        if not listing.live
        for signals in listing.waiting.values()
        for pending in signals.values()
    )


def _tell(
    args: argparse.Namespace,
    delivered: dict[str, int],
    lost: dict[str, int],
    left: int,
    complaints: list[str],
) -> int:
    if args.json:
        told = {"delivered": delivered, "lost": lost, "left": left, "messages": complaints}
        print(json.dumps(told, indent=2))
    else:
        print("\n".join([*complaints, f"delivered: {_counts(delivered)}"]))
        if lost:
            print(f"lost: {_counts(lost)}")
        if left:
            print(f"left: {left} records")
            if not complaints:
                print(
                    "they were for another back end, or encoded for another exporter (--anywhere)"
                )
    return LEFT if left else DONE


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing"


def _purge(args: argparse.Namespace, directory: Path) -> int:
    records = _ended(directory)
    if not args.yes and not _confirm(f"Throw away {records} records in {directory}?", input):
        print("alexobs: nothing was thrown away; --yes confirms", file=sys.stderr)
        return REFUSED
    dropped: Counter[str] = Counter()

    def count(signal: Signal, reason: str, number: int) -> None:  # noqa: ARG001 - a hook
        dropped[signal] += number

    for path in adoption.process_folders(directory):
        spool = adoption.AdoptedSpool.claim(path, count)
        if spool is not None:
            for ticket in spool.tickets:
                spool.drop(ticket, "purged")
            spool.close()
    if args.json:
        print(json.dumps({"thrown_away": dropped}, indent=2))
    else:
        print(f"thrown away: {_counts(dropped)}")
    return DONE


def _confirm(question: str, ask: Callable[[str], str]) -> bool:
    if not sys.stdin.isatty():
        return False
    return ask(f"{question} [y/N] ").strip().lower() in ("y", "yes")
