"""The bundled price data: which providers and models there are, and how they are found.

The data is that of genai-prices (MIT licence, Pydantic Services Inc.), rewritten by
``scripts/update_prices.py``. Its matching rules are followed as they are: first rule that matches
wins, and a provider that sells others' models falls back on their prices.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from alexobs.pricing.rates import Table
from alexobs.pricing.rules import compile_rule, with_dashed_date

FILE: Final = Path(__file__).with_name("prices.jsonl")
DAY_S: Final = 86_400

# gen_ai.provider.name values that the data's own rules do not lead to the right provider.
_PROVIDER_NAMES: Final = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "gcp.gen_ai": "google",
    "aws.bedrock": "aws",
    "x_ai": "x-ai",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "fireworks_ai": "fireworks",
    "z_ai": "zai",
}
# Tiers that cost what the standard one costs.
_STANDARD_TIERS: Final = frozenset({"", "default", "standard", "auto", "on_demand", "on-demand"})
_SAME_PRICE: Final = frozenset({("groq", "flex")})


class Model(NamedTuple):
    """One model of the data, with the provider whose price it is."""

    provider: Provider
    data: dict[str, Any]

    @property
    def name(self) -> str:
        """``provider/model``."""
        return f"{self.provider.id}/{self.data['id']}"


class Provider:
    """One provider; its models are parsed when they are first needed."""

    def __init__(self, head: dict[str, Any], line: bytes) -> None:
        self.id: str = head["id"]
        self.name: str = head["name"]
        self.fallback: list[str] = head["fallback"]
        self.search_paths: list[list[str]] = head["searches"]
        self.called = compile_rule(head["by_name"])
        self.makes = compile_rule(head["by_model"])
        self._line = line
        self._models: list[Model] | None = None
        self._rules: list[Any] = []

    @property
    def models(self) -> list[Model]:
        """Its models."""
        if self._models is None:
            self._models = [Model(self, one) for one in msgspec.json.decode(self._line)]
            self._rules = [compile_rule(one.data["match"]) for one in self._models]
            self._line = b""
        return self._models

    def find(self, model: str) -> Model | None:
        """Return the first model whose rule matches a lower-case name."""
        models = self.models
        for rule, found in zip(self._rules, models, strict=True):
            if rule(model):
                return found
        return None


class Catalog:
    """The price data."""

    def __init__(self, file: Path = FILE) -> None:
        head, *lines = file.read_bytes().rstrip().split(b"\n")
        about = msgspec.json.decode(head)
        self.source: str = about["source"]
        self.version: str = about["version"]
        self.date: str = about["date"]
        self.providers = {
            one["id"]: Provider(one, line)
            for one, line in zip(about["providers"], lines, strict=True)
        }

    def provider(self, name: str) -> Provider | None:
        """Return the provider that a ``gen_ai.provider.name``, or another name, stands for."""
        name = name.lower().strip()
        name = _PROVIDER_NAMES.get(name, name)
        if name in self.providers:
            return self.providers[name]
        return next((one for one in self.providers.values() if one.called(name)), None)

    def find(self, provider: str, model: str) -> Model | None:
        """Return the model of a provider, or of whoever makes it when no provider is named."""
        model = model.lower().strip()
        seller = self._seller(provider, model)
        if seller is not None:
            for name in _spellings(model):
                found = self._find_at(seller, name)
                if found is not None:
                    return found
        return self._find_prefixed(provider, model, seller)

    def _seller(self, provider: str, model: str) -> Provider | None:
        if provider and provider.lower() != "litellm":
            return self.provider(provider)
        return next((one for one in self.providers.values() if one.makes(model)), None)

    def _find_at(self, seller: Provider, model: str) -> Model | None:
        for name in dict.fromkeys((model, with_dashed_date(model))):
            for one in (seller.id, *seller.fallback):
                found = self.providers[one].find(name)
                if found is not None:
                    return found
        return None

    def _find_prefixed(self, provider: str, model: str, seller: Provider | None) -> Model | None:
        """Take ``openai/gpt-4o`` apart, where nobody else or the same provider is named."""
        prefix, slash, rest = model.partition("/")
        named = self.provider(prefix) if slash and rest else None
        if named is None or (provider not in ("", "litellm") and named is not seller):
            return None
        return self._find_at(named, rest)


def _spellings(model: str) -> list[str]:
    """Return the name, and what follows a resource path of Google's or Amazon's."""
    if model.startswith(("models/", "publishers/", "projects/")):
        return [model, model.rpartition("/")[2]]
    return [model]


def table_for(
    model: Model, *, source: str, data_date: str, day: str, second: int, context: dict[str, str]
) -> Table | str:
    """Return the prices that hold at a moment, or why there are none.

    Args:
        model: whose prices.
        source: of the data, for the price's id.
        data_date: ISO date of the data.
        day: ISO date of the call, UTC.
        second: of that day.
        context: what else the price depends on (``service_tier``, ``processing``, ``speed``).
    """
    data = model.data
    prices = data["prices"][0][1]
    for constraint, conditional in data["prices"]:
        if _active(constraint, day, second):
            prices = conditional
    price_id = f"{source}:{model.name}"
    if context and prices:
        overrides = _overrides(data.get("variants", ()), day, second, context)
        label = ";".join(f"{key}={value}" for key, value in context.items())
        if overrides is None:
            return f"no price of {price_id} for {label}"
        prices = {**prices, **overrides}
        price_id += f";{label}"
    return Table(
        prices,
        price_id=price_id,
        price_date=data_date,
        search_paths=model.provider.search_paths,
        free=data.get("free", False),
    )


def _overrides(
    variants: Any, day: str, second: int, context: dict[str, str]
) -> dict[str, Any] | None:
    """Return the prices that a context changes, or None when the data does not know it."""
    found: dict[str, Any] = {}
    known = False
    for when, constraint, prices in variants:
        if _active(constraint, day, second) and all(context.get(k) == v for k, v in when.items()):
            known = True
            found = {**prices, **found}
    return found if known else None


def price_context(provider: str, service_tier: str, speed: str) -> dict[str, str]:
    """Return what a price depends on beside model and time."""
    context: dict[str, str] = {}
    tier = service_tier.lower().removeprefix("on_demand_")
    if tier == "batch":
        context["processing"] = "batch"
    elif tier not in _STANDARD_TIERS and (provider, tier) not in _SAME_PRICE:
        context["service_tier"] = tier
    if speed not in _STANDARD_TIERS:
        context["speed"] = speed
    return context


def changes_within_day(model: Model) -> list[int]:
    """Return the seconds of the day at which a model's price may change, with 0."""
    found = {0}
    for *_, constraint, _ in (*model.data["prices"], *model.data.get("variants", ())):
        if isinstance(constraint, list):
            found.update(map(_second, constraint))
    return sorted(found)


def _active(constraint: Any, day: str, second: int) -> bool:
    if constraint is None:
        return True
    if isinstance(constraint, str):
        return day >= constraint
    start, end = map(_second, constraint)
    if end < start:
        return second >= start or second < end
    return start <= second < end


def _second(time: str) -> int:
    hours, minutes, seconds = map(int, time.split(":"))
    return hours * 3600 + minutes * 60 + seconds
