"""`alexobs prices`: what models cost, and where that is known from."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexobs.config.load import load
from alexobs.pricing import Prices
from alexobs.pricing.rates import TOKEN_KEYS

if TYPE_CHECKING:
    import argparse

    from alexobs.pricing.prices import ShownPrice

FOUND, UNKNOWN = 0, 1
_PER_THOUSAND = {"request_k": "request", "web_search_k": "web_search"}
_UNITS = {
    "hours": "USD per hour",
    "kcount": "USD per thousand",
    "kpages": "USD per thousand pages",
    "mchars": "USD per million characters",
    "mtok": "USD per million tokens",
}


def register(subparsers: Any) -> None:
    """Add `prices` and what can follow it."""
    text = "show what models cost"
    parser = subparsers.add_parser("prices", help=text, description=f"{text.capitalize()}.")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser(
        "show",
        help="show the price of a model",
        description="Show the price of a model, from your own price file or the bundled data.",
        epilog="Exit codes: 0 found, 1 no price is known, 2 unusable configuration.",
    )
    show.add_argument("model", help="name of the model, as it is requested")
    show.add_argument(
        "--provider", default="", help="name of the provider, as in gen_ai.provider.name"
    )
    show.add_argument("--at", metavar="TIME", help="date, or date and time (UTC); default: now")
    show.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Run `args.action` and return the exit code."""
    try:
        when_ns = _time_ns(args.at)
    except ValueError:
        print(
            f"alexobs: --at: expected a time such as 2026-10-01, found {args.at!r}", file=sys.stderr
        )
        return 2
    prices = Prices.load(Path(load().pricing.overrides))
    found = prices.show(args.provider, args.model, when_ns=when_ns)
    contexts = prices.contexts(args.provider, args.model)
    nearest = [] if found else prices.nearest(args.provider, args.model)
    if args.json:
        rows = [{**price._asdict(), "other_prices": contexts} for price in found]
        print(json.dumps({"model": args.model, "prices": rows, "nearest": nearest}, indent=2))
    elif found:
        print("\n\n".join(_text(price, contexts) for price in found))
    else:
        print(_unknown(args.model, args.provider, nearest), file=sys.stderr)
    return FOUND if found else UNKNOWN


def _time_ns(text: str | None) -> int | None:
    if text is None:
        return None
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return int(when.timestamp()) * 1_000_000_000


def _text(price: ShownPrice, contexts: list[str]) -> str:
    lines = [f"{price.price_id}   data of {price.price_date}"]
    lines += [line for key, value in price.prices.items() for line in _lines(key, value)]
    if not price.prices:
        lines.append("  free")
    if contexts:
        lines.append(f"  priced apart: {', '.join(contexts)}")
    return "\n".join(lines)


def _lines(key: str, value: Any) -> list[str]:
    name, unit = key, ""
    if key in TOKEN_KEYS:
        unit = "USD per million tokens"
    elif key in _PER_THOUSAND:
        name, unit = _PER_THOUSAND[key], "USD per thousand"
    else:  # a unit of the data's own, named by its ending
        name, _, measure = key.rpartition("_")
        unit = _UNITS.get(measure, measure)
    base, *tiers = value if isinstance(value, list) else [value]
    rows = [f"  {name:<18}{base:>10g}  {unit}".rstrip()]
    return rows + [f"  {'':<18}{price:>10g}  above {start} input tokens" for start, price in tiers]


def _unknown(model: str, provider: str, nearest: list[str]) -> str:
    seller = f" of {provider}" if provider else ""
    hint = f"\nnearest names: {', '.join(nearest)}" if nearest else ""
    return (
        f"alexobs: no price is known for {model!r}{seller}; calls of it count as unpriced{hint}\n"
        "your own prices go into the file that pricing.overrides names (~/.alex/prices.yaml)"
    )
