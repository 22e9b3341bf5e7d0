"""The server prices what comes without a price by the user's file as it is now."""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from api_kit import DAY_NS, running

if TYPE_CHECKING:
    from pathlib import Path

    from api_kit import Api

PRICES = "prices:\n  - model: home-grown\n    provider: test\n    input: {}\n    output: 0\n"


def call(number: int) -> dict[str, Any]:
    """A call of a million tokens, as others than alexobs report it."""
    texts = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "test",
        "gen_ai.request.model": "home-grown",
    }
    attributes = [{"key": key, "value": {"stringValue": text}} for key, text in texts.items()]
    attributes.append({"key": "gen_ai.usage.input_tokens", "value": {"intValue": "1000000"}})
    span = {
        "traceId": format(number, "032x"),
        "spanId": format(number, "016x"),
        "name": "chat",
        "startTimeUnixNano": str(DAY_NS),
        "endTimeUnixNano": str(DAY_NS + 1),
        "attributes": attributes,
    }
    return {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "other"}, "spans": [span]}]}]}


@pytest.mark.slow
def test_prices_follow_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".alex" / "prices.yaml"
    path.parent.mkdir()
    numbers = itertools.count(1)

    def write(text: str) -> None:
        path.write_text(text, encoding="utf-8")
        an_hour_ago = time.time() - 3600 + next(numbers)  # nothing that may change still
        os.utime(path, (an_hour_ago, an_hour_ago))

    def priced(api: Api) -> float | None:
        number = next(numbers)
        api.send("traces", call(number))
        return api.get(f"spans/{number:032x}/{number:016x}")["price"]["cost_usd"]

    def priced_at_last(api: Api, wanted: float) -> None:
        give_up = time.monotonic() + 10
        while priced(api) != wanted:
            assert time.monotonic() < give_up
            time.sleep(0.05)

    write("prices: [")
    for api in running(tmp_path / "data"):
        assert "your own prices are left as they were" in capfd.readouterr().err
        assert priced(api) is None
        write(PRICES.format(3))
        priced_at_last(api, 3.0)
        write(PRICES.format(4))
        priced_at_last(api, 4.0)
        write("prices: [")
        give_up = time.monotonic() + 10
        while "left as they were" not in capfd.readouterr().err:
            assert priced(api) == 4.0
            assert time.monotonic() < give_up
            time.sleep(0.05)
