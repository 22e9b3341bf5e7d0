"""The judge of the budgets tells a broken budget from noise."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def loaded(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


check, harness = loaded("check"), loaded("harness")
BUDGET = {"what": "w", "measure": "cpu_us", "against": "rival", "min_ratio": 2.0, "max": 1.0}


def cases(ours: list[float], rival: list[float]) -> dict[str, Any]:
    return {"alexobs": {"cpu_us": ours}, "rival": {"cpu_us": rival}}


@pytest.mark.parametrize(
    ("ours", "rival", "kept"),
    [
        ([1.0] * 9, [2.1] * 9, True),
        ([1.0] * 9, [1.9] * 9, False),
        ([0.9, 1.0, 1.1, 1.3, 0.8, 1.2, 0.9, 1.1, 1.0], [1.9] * 9, True),
        ([0.9, 1.0, 1.1, 1.3, 0.8, 1.2, 0.9, 1.1, 1.0], [1.2] * 9, False),
    ],
)
def test_a_ratio_is_broken_only_beyond_its_noise(
    ours: list[float], rival: list[float], kept: bool
) -> None:
    assert check.judge_ratio(BUDGET, cases(ours, rival)).kept is kept


def test_absolute_goals_bind_only_when_asked() -> None:
    slow = cases([2.0] * 9, [])
    assert check.judge_most(BUDGET, slow, "max", binding=False).kept is None
    assert check.judge_most(BUDGET, slow, "max", binding=True).kept is False


def test_every_budget_is_complete() -> None:
    budgets = tomllib.loads((BENCHMARKS / "budgets.toml").read_text("utf-8"))["budget"]
    for budget in budgets:
        assert {"what", "benchmark", "group", "measure"} <= set(budget)
        assert ("min_ratio" in budget) == ("against" in budget)
        assert {"min_ratio", "limit", "max"} & set(budget)


def test_all_cases_are_timed_in_all_rounds_with_their_background_work() -> None:
    def run(calls: int) -> None:
        counts.append(calls)

    def settle() -> None:
        sum(range(200_000))

    counts: list[int] = []
    closed: list[str] = []
    group = harness.compare(
        "g",
        [
            harness.Case("a", run),
            harness.Case("b", run, settle, lambda: closed.append("b")),
        ],
        calls=1000,
        rounds=3,
    )
    assert counts == [100, 100] + [1000] * 6
    assert closed == ["b"]
    assert {len(values) for of_case in group.values.values() for values in of_case.values()} == {3}
    assert group.median("b", "cpu_us") > 2 * group.median("b", "caller_us")
    assert "| b |" in harness.table(group)


def test_the_loggers_benchmark_gives_what_its_budgets_name() -> None:
    pytest.importorskip("structlog", reason="the benchmark compares with structlog")
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "logger.py"), "--json", "--rounds", "1"],
        check=True,
        capture_output=True,
        text=True,
    )
    measured = {group["group"]: group["cases"] for group in json.loads(done.stdout)["groups"]}
    budgets = tomllib.loads((BENCHMARKS / "budgets.toml").read_text("utf-8"))["budget"]
    for budget in budgets:
        if budget["benchmark"] == "logger":
            found = measured[budget["group"]]
            assert budget["measure"] in found["alexobs"]
            assert "against" not in budget or budget["against"] in found
