"""What the page says of a generated day equals a direct calculation from what was sent."""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "api"))

from api_kit import DAY_NS, Api, Fact, Traffic, running, traces_request

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Locator, Page

    Shown = Callable[[str, Any], str]


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    return Traffic(seed=11, sessions=15)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory, traffic: Traffic) -> Iterator[Api]:
    for api in running(tmp_path_factory.mktemp("day")):
        api.send("traces", traces_request(traffic.spans))
        yield api


@pytest.fixture
def page(chromium: Browser, day: Api) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1440, "height": 1400}, timezone_id="UTC")
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{day.server.port('web')}/")
    yield page
    context.close()


@pytest.fixture
def shown(page: Page) -> Shown:
    """How the page writes a value: `format.js`, which has tests of its own."""

    def write(function: str, value: Any) -> str:
        call = f"async (value) => (await import('/format.js')).{function}(value)"
        return str(page.evaluate(call, value))

    return write


@pytest.fixture
def window(traffic: Traffic) -> str:
    end_ms = max(span.end_ns for span in traffic.spans) // 10**6 + 60_000
    return f"from={DAY_NS // 10**6}&to={end_ms - end_ms % 60_000}"


def calls_of(traffic: Traffic) -> list[Fact]:
    return [span for span in traffic.spans if span.is_llm]


def spent(calls: list[Fact]) -> float:
    return math.fsum(call.cost or 0 for call in calls)


def panel(page: Page, title: str) -> Locator:
    return page.get_by_label(title, exact=True)


def test_overview(page: Page, traffic: Traffic, window: str, shown: Shown) -> None:
    page.goto(f"{page.url.partition('#')[0]}#/overview?{window}")
    calls = calls_of(traffic)
    unpriced = sum(call.cost is None for call in calls)
    tokens = sum(sum(call.tokens.values()) for call in calls)
    tools = Counter(span.tool for span in traffic.spans if span.tool)
    figures = {
        "LLM request rate": f"{len(calls)} calls",
        "Token usage rate": shown("compact", tokens),
        "Cost": shown("usd", spent(calls)),
        "Tool usage": shown("compact", tools.total()),
        "Model usage": shown("compact", len(calls)),
    }
    for title, figure in figures.items():
        expect(panel(page, title).locator(".panel-figure").first).to_have_text(figure)
    failed = sum(call.status == "error" for call in calls)
    note = f"{shown('percent', failed / len(calls))} errors"
    expect(panel(page, "LLM request rate").locator(".panel-note")).to_have_text(note)
    expect(panel(page, "Cost").locator(".panel-note").first).to_have_text(
        f"{unpriced} calls unpriced"
    )
    models = Counter(call.model for call in calls)
    for title, uses in (("Model usage", models), ("Tool usage", tools)):
        for name, count in uses.items():
            row = panel(page, title).locator(".shares li", has_text=name)
            expect(row).to_contain_text(shown("percent", count / uses.total()))


def test_costs(page: Page, traffic: Traffic, window: str, shown: Shown) -> None:
    page.goto(f"{page.url.partition('#')[0]}#/costs?{window}")
    calls = calls_of(traffic)
    priced = [call for call in calls if call.cost is not None]
    buckets = {name: sum(call.tokens[name] for call in calls) for name in calls[0].tokens}
    asked = buckets["uncached_input"] + buckets["cache_read"] + buckets["cache_write"]
    figures = {
        "Spent": shown("usd", spent(calls)),
        "Priced calls": str(len(priced)),
        "Per priced call": shown("usd", spent(calls) / len(priced)),
        "Read from cache": shown("percent", buckets["cache_read"] / asked),
        "Unpriced calls": str(len(calls) - len(priced)),
    }
    for name, figure in figures.items():
        found = page.locator(".figure").filter(has=page.get_by_text(name, exact=True))
        expect(found.locator("b")).to_have_text(figure)
    total = panel(page, "Tokens").locator(".panel-figure")
    expect(total).to_have_text(shown("compact", sum(buckets.values())))
    for who, key in (("Model", "model"), ("Agent", "agent"), ("Service", "service")):
        page.get_by_role("group", name="By").get_by_role("button", name=who, exact=True).click()
        groups: dict[str, list[Fact]] = defaultdict(list)
        for call in calls:
            groups[getattr(call, key)].append(call)
        for name, mine in groups.items():
            row = panel(page, "Who spent it").locator(".bars li", has_text=name)
            expect(row).to_contain_text(f"{len(mine)} calls")
            known = any(call.cost is not None for call in mine)
            expect(row).to_contain_text(shown("usd", spent(mine)) if known else "unpriced")


def test_sessions(page: Page, traffic: Traffic, window: str, shown: Shown) -> None:
    page.goto(f"{page.url.partition('#')[0]}#/sessions?{window}")
    expect(page.locator(".table-row[data-session]")).to_have_count(15)
    for root in (span for span in traffic.spans if span.kind == "session"):
        spans = [span for span in traffic.spans if span.session == root.session]
        calls = [span for span in spans if span.is_llm]
        tools = sum(span.kind == "tool" for span in spans)
        row = page.locator(f'.table-row[data-session="{root.session}"]')
        expect(row).to_contain_text(f"{len(calls)} + {tools}")
        known = any(call.cost is not None for call in calls)
        expect(row).to_contain_text(shown("usd", spent(calls)) if known else "unpriced")
        incoming = sum(sum(list(call.tokens.values())[:3]) for call in calls)
        outgoing = sum(sum(list(call.tokens.values())[3:]) for call in calls)
        amounts = f"{shown('compact', incoming)}→{shown('compact', outgoing)}"
        expect(row).to_contain_text(amounts)
        end_ns = max(span.end_ns for span in spans)
        expect(row).to_contain_text(shown("duration", (end_ns - root.start_ns) / 1e6))
