"""Fails when a budget of `budgets.toml` is broken by more than the noise.

A budget is broken when even the favourable end of the confidence interval over the rounds misses
it: a loaded machine widens the interval and does not fail, a regression does as soon as it shows.

    python benchmarks/check.py                  all benchmarks that exist
    python benchmarks/check.py logger tracing   only these
    python benchmarks/check.py --absolute       judge the absolute goals too (a quiet machine)

Exit code: 0 kept, 1 broken, 2 a benchmark did not run.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
OURS = "alexobs"


class Verdict(NamedTuple):
    """One line of the table."""

    what: str
    ours: str
    needed: str
    goal: str
    kept: bool | None  # None: shown, not judged


class Interval(NamedTuple):
    """A value with the bounds between which it lies in 19 of 20 runs."""

    low: float
    value: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"


# Student's t, 97.5 %, by degrees of freedom; more rounds than these gain little.
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)


def measured(name: str, groups: set[str], rounds: int) -> dict[str, Any]:
    """Run one benchmark file and return the groups of these names."""
    command = [sys.executable, str(HERE / f"{name}.py"), "--json", "--rounds", str(rounds)]
    for group in sorted(groups):
        command += ["--group", group]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {group["group"]: group["cases"] for group in json.loads(done.stdout)["groups"]}


def interval(values: list[float]) -> Interval:
    """Return the mean of what each round gave, and its confidence interval."""
    value = statistics.mean(values)
    if len(values) < 2:
        return Interval(value, value, value)
    freedom = min(len(values) - 1, len(_T))
    half = _T[freedom - 1] * statistics.stdev(values) / len(values) ** 0.5
    return Interval(value - half, value, value + half)


def judge_ratio(budget: dict[str, Any], cases: dict[str, Any]) -> Verdict:
    """Compare ours with the rival, round by round; logarithms, because ratios multiply."""
    ours = cases[OURS][budget["measure"]]
    rival = cases[budget["against"]][budget["measure"]]
    # A cost that is the difference of two can come out at nothing, or below, where it is small.
    least = 0.05 * statistics.median(map(abs, ours))
    pairs = zip(ours, rival, strict=True)
    logs = [math.log(max(theirs, least) / max(mine, least)) for mine, theirs in pairs]
    ratio = Interval(*map(math.exp, interval(logs)))
    return Verdict(
        f"{budget['what']}: times less than {budget['against']}",
        str(ratio),
        f"≥ {budget['min_ratio']:g}",
        f"≥ {budget.get('goal_ratio', budget['min_ratio']):g}",
        ratio.high >= budget["min_ratio"],
    )


def judge_most(
    budget: dict[str, Any], cases: dict[str, Any], limit: str, *, binding: bool
) -> Verdict:
    """Compare ours with the most that it may be."""
    found = interval(cases[budget.get("case", OURS)][budget["measure"]])
    return Verdict(
        f"{budget['what']} [{budget['measure']}]",
        str(found),
        f"≤ {budget[limit]:g}" if binding else "",
        f"≤ {budget.get('max', budget[limit]):g}",
        found.low <= budget[limit] if binding else None,
    )


def verdicts(
    budgets: list[dict[str, Any]], rounds: dict[str, int], *, absolute: bool
) -> list[Verdict]:
    """Run each benchmark that the budgets name, once, and judge."""
    results: dict[str, dict[str, Any]] = {}
    found = []
    for budget in budgets:
        name = budget["benchmark"]
        if name not in results:
            began = time.monotonic()
            groups = {one["group"] for one in budgets if one["benchmark"] == name}
            results[name] = measured(name, groups, rounds[name])
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
        cases = results[name][budget["group"]]
        if "min_ratio" in budget:
            found.append(judge_ratio(budget, cases))
        if "limit" in budget:
            found.append(judge_most(budget, cases, "limit", binding=True))
        if "max" in budget:
            found.append(judge_most(budget, cases, "max", binding=absolute))
    return found


def main() -> int:
    """Measure, print the table, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("benchmarks", nargs="*", help="names of benchmark files; default: all")
    parser.add_argument("--rounds", type=int, help="of every benchmark; default: its own")
    parser.add_argument("--absolute", action="store_true", help="judge absolute goals too")
    options = parser.parse_args()
    document = tomllib.loads((HERE / "budgets.toml").read_text(encoding="utf-8"))
    budgets = document["budget"]
    wanted = options.benchmarks or {b["benchmark"] for b in budgets}
    rounds = {name: options.rounds or count for name, count in document["rounds"].items()}
    chosen = [b for b in budgets if b["benchmark"] in wanted]
    missing = {b["benchmark"] for b in chosen if not (HERE / f"{b['benchmark']}.py").exists()}
    for name in sorted(missing | (set(options.benchmarks) - {b["benchmark"] for b in budgets})):
        print(f"no such benchmark or no budget for it: {name}", file=sys.stderr)
    try:
        found = verdicts(
            [b for b in chosen if b["benchmark"] not in missing],
            rounds,
            absolute=options.absolute,
        )
    except subprocess.CalledProcessError as failure:
        print(f"{failure.cmd[1]} failed:\n{failure.stderr}", file=sys.stderr)
        return 2
    print("| budget | measured | needed | goal | |\n|---|---:|---:|---:|---|")
    for verdict in found:
        mark = {True: "kept", False: "BROKEN", None: "(shown)"}[verdict.kept]
        print(f"| {verdict.what} | {verdict.ours} | {verdict.needed} | {verdict.goal} | {mark} |")
    if any(verdict.kept is False for verdict in found):
        return 1
    return 2 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
