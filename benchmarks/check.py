"""Fails when a budget of `budgets.toml` is broken by more than the noise.

    python benchmarks/check.py                  all benchmarks that exist
    python benchmarks/check.py logger tracing   only these
    python benchmarks/check.py --absolute       judge the absolute goals too (a quiet machine)

Exit code: 0 kept, 1 broken, 2 a benchmark did not run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
OURS = "alexobs"


class Verdict(NamedTuple):
    """One line of the table."""

    what: str
    ours: str
    goal: str
    kept: bool | None  # None: shown, not judged


def measured(name: str, rounds: int) -> dict[str, Any]:
    """Run one benchmark file and return its groups by name."""
    command = [sys.executable, str(HERE / f"{name}.py"), "--json", "--rounds", str(rounds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {group["group"]: group["cases"] for group in json.loads(done.stdout)["groups"]}


def noise(values: list[float]) -> float:
    """Return the standard error of the median, as a share of it (0.1 is 10 %)."""
    if len(values) < 3:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4)
    return float((high - low) / len(values) ** 0.5 / statistics.median(values))


def judge_ratio(budget: dict[str, Any], cases: dict[str, Any]) -> Verdict:
    """Compare ours with the rival, round by round."""
    ours = cases[OURS][budget["measure"]]
    rival = cases[budget["against"]][budget["measure"]]
    ratios = [theirs / mine for mine, theirs in zip(ours, rival, strict=True)]
    ratio, spread = statistics.median(ratios), noise(ratios)
    kept = ratio * (1 + 2 * spread) >= budget["min_ratio"]
    return Verdict(
        f"{budget['what']}: times less than {budget['against']}",
        f"{ratio:.1f} ± {ratio * spread:.1f}",
        f"≥ {budget['min_ratio']:g}",
        kept,
    )


def judge_absolute(budget: dict[str, Any], cases: dict[str, Any], *, binding: bool) -> Verdict:
    """Compare ours with an absolute goal."""
    values = cases[OURS][budget["measure"]]
    value = statistics.median(values)
    kept = value <= budget["max"] * (1 + 2 * noise(values))
    return Verdict(
        f"{budget['what']} [{budget['measure']}]",
        f"{value:.3g}",
        f"≤ {budget['max']:g}",
        kept if binding else None,
    )


def verdicts(budgets: list[dict[str, Any]], *, rounds: int, absolute: bool) -> list[Verdict]:
    """Run each benchmark that the budgets name, once, and judge."""
    results: dict[str, dict[str, Any]] = {}
    found = []
    for budget in budgets:
        name = budget["benchmark"]
        if name not in results:
            results[name] = measured(name, rounds)
        cases = results[name][budget["group"]]
        if "min_ratio" in budget:
            found.append(judge_ratio(budget, cases))
        if "max" in budget:
            found.append(judge_absolute(budget, cases, binding=absolute))
    return found


def main() -> int:
    """Measure, print the table, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("benchmarks", nargs="*", help="names of benchmark files; default: all")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--absolute", action="store_true", help="judge absolute goals too")
    options = parser.parse_args()
    budgets = tomllib.loads((HERE / "budgets.toml").read_text(encoding="utf-8"))["budget"]
    wanted = options.benchmarks or {b["benchmark"] for b in budgets}
    chosen = [b for b in budgets if b["benchmark"] in wanted]
    missing = {b["benchmark"] for b in chosen if not (HERE / f"{b['benchmark']}.py").exists()}
    for name in sorted(missing | (set(options.benchmarks) - {b["benchmark"] for b in budgets})):
        print(f"no such benchmark or no budget for it: {name}", file=sys.stderr)
    try:
        found = verdicts(
            [b for b in chosen if b["benchmark"] not in missing],
            rounds=options.rounds,
            absolute=options.absolute,
        )
    except subprocess.CalledProcessError as failure:
        print(f"{failure.cmd[1]} failed:\n{failure.stderr}", file=sys.stderr)
        return 2
    print("| budget | measured | goal | |\n|---|---:|---:|---|")
    for verdict in found:
        mark = {True: "kept", False: "BROKEN", None: "(shown)"}[verdict.kept]
        print(f"| {verdict.what} | {verdict.ours} | {verdict.goal} | {mark} |")
    if any(verdict.kept is False for verdict in found):
        return 1
    return 2 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
