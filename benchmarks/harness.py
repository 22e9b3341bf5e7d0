"""Measures competitors side by side: medians of several rounds, in one process, alternating.

A benchmark file builds `Case`s, hands groups of them to `compare`, and ends with `main`::

    def groups() -> Iterator[Group]:
        yield compare("counter, 2 attributes", [Case("alexobs", ours), Case("OTel SDK", theirs)])

    if __name__ == "__main__":
        main("metrics", groups)

Every case is timed in every round, in an order that rotates, so that a slow minute of the machine
hits all of them alike. Ratios between cases of one group are therefore meaningful where absolute
figures are not. CPU time is the process's, so work on background threads is counted.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Run = Callable[[int], object]

CALLER_US = "caller_us"  # CPU of the calling thread for one call
WALL_US = "wall_us"  # elapsed time for one call, as the caller sees it
CPU_US = "cpu_us"  # CPU of the whole process for one call, until all its work is done


def _nothing() -> None:
    return None


def _nothing_often(_: int) -> None:
    return None


@dataclass
class Case:
    """One competitor: `run(n)` makes n calls in its own loop; `settle()` waits for the rest.

    `settle` runs outside the caller's time and inside the CPU time: it flushes, exports, drains.
    `close` runs once, after the last round.
    """

    name: str
    run: Run
    settle: Callable[[], object] = _nothing
    close: Callable[[], object] = _nothing


@dataclass
class Group:
    """Competitors at one task; `values` is case → measure → one value per round."""

    name: str
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, case: str, measures: Mapping[str, float]) -> None:
        """Record what one round of a case gave, under any measure names."""
        of_case = self.values.setdefault(case, {})
        for measure, value in measures.items():
            of_case.setdefault(measure, []).append(value)

    def median(self, case: str, measure: str) -> float:
        """Return the median over the rounds."""
        return statistics.median(self.values[case][measure])


def time_once(case: Case, calls: int) -> dict[str, float]:
    """Time `calls` calls of one case and return microseconds per call, by measure."""
    gc.collect()
    cpu_start = time.process_time_ns()
    wall_start = time.perf_counter_ns()
    thread_start = time.thread_time_ns()
    case.run(calls)
    thread_end = time.thread_time_ns()
    wall_end = time.perf_counter_ns()
    case.settle()
    cpu_end = time.process_time_ns()
    per_call = 1e3 * calls
    return {
        CALLER_US: (thread_end - thread_start) / per_call,
        WALL_US: (wall_end - wall_start) / per_call,
        CPU_US: (cpu_end - cpu_start) / per_call,
    }


def compare(
    name: str,
    cases: Sequence[Case],
    *,
    calls: int = 20_000,
    rounds: int | None = None,
    around: Run = _nothing_often,
) -> Group:
    """Time all cases in every round, after one warm-up round that is thrown away.

    `around` is the loop of the cases with nothing in it, where that pauses: what it takes in the
    same round is no part of what they cost, and is taken off each.
    """
    group = Group(name)
    loop = Case("the loop alone", around)
    wanted = not _wanted or name in _wanted
    for case in cases if wanted else ():
        time_once(case, max(1, calls // 10))
    for number in range((rounds or _default_rounds) if wanted else 0):
        shift = number % len(cases)
        nothing = time_once(loop, calls) if around is not _nothing_often else {}
        for case in (*cases[shift:], *cases[:shift]):
            measures = time_once(case, calls)
            group.add(case.name, {m: v - nothing.get(m, 0.0) for m, v in measures.items()})
    for case in cases:
        case.close()
    return group


_default_rounds = 9
_wanted: frozenset[str] = frozenset()


def table(group: Group) -> str:
    """Return the medians of a group as a Markdown table; ratios are to the first case."""
    measures = list(dict.fromkeys(m for of_case in group.values.values() for m in of_case))
    first = next(iter(group.values))
    lines = [
        f"### {group.name}",
        "",
        "| | " + " | ".join(f"{m} | ratio " for m in measures) + "|",
        "|---|" + "---:|---:|" * len(measures),
    ]
    for case, of_case in group.values.items():
        cells = []
        for measure in measures:
            if measure not in of_case:
                cells.append(" | ")
                continue
            value = group.median(case, measure)
            base = group.median(first, measure) if measure in group.values[first] else 0.0
            cells.append(f"{value:,.3f} | {value / base:.1f}" if base else f"{value:,.3f} | ")
        lines.append(f"| {case} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def machine() -> dict[str, Any]:
    """Return what a reader needs to judge the absolute figures."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
    }


def _cpu_model() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor()


def main(
    name: str, groups: Callable[[], Iterable[Group]], argv: Sequence[str] | None = None
) -> None:
    """Run a benchmark file as a program: a table, or `--json` for `check.py`."""
    global _default_rounds, _wanted
    parser = argparse.ArgumentParser(prog=f"benchmarks/{name}.py")
    parser.add_argument("--json", action="store_true", help="print values of every round as JSON")
    parser.add_argument("--rounds", type=int, default=_default_rounds, help="rounds per group")
    parser.add_argument("--group", action="append", default=[], help="only groups of this name")
    options = parser.parse_args(argv)
    _default_rounds, _wanted = options.rounds, frozenset(options.group)
    done = []
    for group in groups():
        if not group.values:
            continue
        done.append({"group": group.name, "cases": group.values})
        if not options.json:
            print(table(group), flush=True)
    if options.json:
        json.dump({"benchmark": name, "machine": machine(), "groups": done}, sys.stdout)
        print()
