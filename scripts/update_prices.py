"""Write the bundled prices from the installed genai-prices package.

    pip install --upgrade genai-prices && python scripts/update_prices.py

The first line of the file says where it comes from and how providers are recognised; each further
line holds the models of one provider, so that only the providers in use are ever parsed.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import genai_prices.data
from genai_prices import types

TARGET = Path(__file__).parents[1] / "src" / "alexobs" / "pricing" / "prices.jsonl"

# The names that alexobs prices by; what has another unit keeps the package's own name.
KEYS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
    "cache_audio_read_mtok": "cache_read_audio",
    "requests_kcount": "request_k",
    "web_searches_kcount": "web_search_k",
}
CLAUSES = {
    types.ClauseEquals: ("=", "equals"),
    types.ClauseStartsWith: ("^", "starts_with"),
    types.ClauseEndsWith: ("$", "ends_with"),
    types.ClauseContains: ("*", "contains"),
    types.ClauseRegex: ("~", "regex"),
}
FREE = re.compile(r"\bfree of charge\b|\bincluded in the subscription\b", re.IGNORECASE)


def rule(clause: Any) -> list[Any] | None:
    """Return a matching rule as a list: an operator, then text or further rules."""
    if clause is None:
        return None
    if isinstance(clause, types.ClauseOr):
        return ["|", *map(rule, clause.or_)]
    if isinstance(clause, types.ClauseAnd):
        return ["&", *map(rule, clause.and_)]
    operator, attribute = CLAUSES[type(clause)]
    return [operator, getattr(clause, attribute)]


def amount(price: Any) -> Any:
    """Return a price as a number, or as its base and the tiers above it."""
    if isinstance(price, types.TieredPrices):
        return [float(price.base), *([tier.start, float(tier.price)] for tier in price.tiers)]
    return float(price)


def table(price: types.ModelPrice) -> dict[str, Any]:
    """Return one set of prices."""
    return {KEYS.get(key, key): amount(value) for key, value in price.__dict__.items()}


def constraint(when: Any) -> Any:
    """Return when a price holds: None, a first day, or the hours (UTC) of every day."""
    if when is None:
        return None
    if isinstance(when, types.StartDateConstraint):
        return when.start_date.isoformat()
    return [_utc_time(when.start_time), _utc_time(when.end_time)]


def _utc_time(time: Any) -> str:
    if time.tzinfo is not None:
        time = datetime.combine(date(2000, 1, 1), time).astimezone(UTC).time()
    return str(time.isoformat("seconds"))


def model(info: types.ModelInfo) -> dict[str, Any]:
    """Return one model: its name, how it is recognised, and its prices."""
    found: dict[str, Any] = {"id": info.id, "match": rule(info.match)}
    found["prices"] = (
        [[constraint(one.constraint), table(one.prices)] for one in info.prices]
        if isinstance(info.prices, list)
        else [[None, table(info.prices)]]
    )
    if info.price_variants:
        found["variants"] = [
            [one.when, constraint(one.constraint), table(one.prices)] for one in info.price_variants
        ]
    if info.id.endswith(":free") or FREE.search(f"{info.price_comments} {info.description}"):
        found["free"] = True
    return found


def search_paths(provider: types.Provider) -> list[list[Any]]:
    """Return where in a provider's usage the number of billed web searches stands."""
    return [
        [mapping.path] if isinstance(mapping.path, str) else list(mapping.path)
        for extractor in provider.extractors or ()
        for mapping in extractor.mappings
        if mapping.dest == "web_searches"
    ]


def head(providers: list[types.Provider], data_date: str) -> dict[str, Any]:
    """Return the first line."""
    return {
        "source": "genai-prices",
        "version": version("genai-prices"),
        "date": data_date,
        "license": "MIT, Copyright (c) Pydantic Services Inc. 2025 to present",
        "url": "https://github.com/pydantic/genai-prices",
        "providers": [
            {
                "id": provider.id,
                "name": provider.name,
                "by_name": rule(provider.provider_match),
                "by_model": rule(provider.model_match),
                "fallback": provider.fallback_model_providers or [],
                "searches": search_paths(provider),
            }
            for provider in providers
        ],
    }


def newest_date(today: str) -> str:
    """Return the newest day that the data speaks of: it is at least as new as that."""
    text = Path(str(genai_prices.data.__file__)).read_text(encoding="utf-8")
    written = re.findall(r"\b20\d\d-[01]\d-[0-3]\d\b", text)
    dated = re.findall(r"datetime\.date\((\d+), (\d+), (\d+)\)", text)
    days = [*written, *(f"{y}-{int(m):02}-{int(d):02}" for y, m, d in dated)]
    return str(max(day for day in days if day <= today))


def main() -> None:
    """Write the file and say what is in it."""
    providers = genai_prices.data.providers
    data_date = (
        sys.argv[1] if len(sys.argv) > 1 else newest_date(datetime.now(UTC).date().isoformat())
    )
    lines = [head(providers, data_date), *([model(one) for one in p.models] for p in providers)]
    encoded = [json.dumps(line, separators=(",", ":"), ensure_ascii=False) for line in lines]
    TARGET.write_text("\n".join(encoded) + "\n", encoding="utf-8")
    models = sum(len(provider.models) for provider in providers)
    print(f"{TARGET}: {models} models of {len(providers)} providers, as of {data_date}")


if __name__ == "__main__":
    main()
