"""What calls cost: an immutable snapshot of prices, and the look-up that is done once a day."""

from __future__ import annotations

import difflib
import time
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from alexobs.pricing.catalog import (
    DAY_S,
    Catalog,
    Model,
    changes_within_day,
    price_context,
    table_for,
)
from alexobs.pricing.overrides import Override, Overrides, load_overrides
from alexobs.pricing.rates import Table, Unpriced
from alexobs.records import Cost, Usage

if TYPE_CHECKING:
    from pathlib import Path

_DAY_NS: Final = DAY_S * 1_000_000_000
# Look-ups kept; a gateway that makes up model names must not fill the memory.
_CACHE_MAX: Final = 4096

# The prices of one day: one table, none, or what holds from which second of the day on.
_Entry = Table | Unpriced | list[tuple[int, Table | Unpriced]]


class ShownPrice(NamedTuple):
    """The prices of one model, for a person."""

    price_id: str
    price_date: str
    prices: dict[str, Any]


class Prices:
    """Bundled prices and the user's own. To reload, load another one and swap the reference.

    The bundled data is read at the first look-up, and of it only the providers in use.
    """

    def __init__(self, overrides: Overrides | None = None) -> None:
        self.overrides = overrides or Overrides()
        self._cache: dict[Any, _Entry] = {}

    @classmethod
    def load(cls, overrides: Path | None = None) -> Prices:
        """Return the bundled prices with those of a user's file, which need not exist.

        Raises:
            PriceError: the file cannot be used; the message lists every problem.
        """
        return cls(load_overrides(overrides.expanduser()) if overrides is not None else None)

    @cached_property
    def catalog(self) -> Catalog:
        """The bundled data."""
        return Catalog()

    def cost(
        self,
        provider: str,
        model: str,
        usage: Usage | None,
        *,
        when_ns: int | None = None,
        service_tier: str = "",
        response_model: str = "",
    ) -> Cost | Unpriced:
        """Return what a call costs, or why that is unknown; never raises.

        Args:
            provider: value of ``gen_ai.provider.name``; empty lets the model's name decide.
            model: as requested.
            usage: tokens, by the conventions' arithmetic.
            when_ns: time of the call, Unix nanoseconds; now by default.
            service_tier: as answered by the provider.
            response_model: as answered by the provider; it names the price if it is known.
        """
        if usage is None:
            return Unpriced("the provider reported no usage")
        if when_ns is None:
            when_ns = time.time_ns()
        raw = usage.raw
        try:
            speed = raw.get("speed") or "" if raw else ""
            key = (provider, model, response_model, service_tier, speed, when_ns // _DAY_NS)
            entry = self._cache.get(key)
            if entry is None:
                entry = self._remember(key)
            if isinstance(entry, Table):
                return entry.cost(usage)
            if isinstance(entry, list):
                held = _at(entry, when_ns % _DAY_NS // 1_000_000_000)
                return held.cost(usage) if isinstance(held, Table) else held
        except (TypeError, AttributeError, ValueError) as error:
            return Unpriced(f"the call cannot be priced: {error}")
        return entry

    def estimate(
        self,
        model: str,
        *,
        provider: str | None = None,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
        input_audio_tokens: int = 0,
        output_audio_tokens: int = 0,
        when: datetime | None = None,
    ) -> Cost | None:
        """Return what a call would cost, or None when that is unknown.

        ``input_tokens`` includes the cached ones and ``output_tokens`` the reasoning, as in the
        GenAI conventions.
        """
        usage = Usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_read_tokens=cache_read_tokens,
            cache_write_tokens=cache_write_tokens,
            reasoning_tokens=reasoning_tokens,
            input_audio_tokens=input_audio_tokens,
            output_audio_tokens=output_audio_tokens,
        )
        when_ns = None if when is None else int(when.timestamp()) * 1_000_000_000
        found = self.cost(provider or "", model, usage, when_ns=when_ns)
        return found if isinstance(found, Cost) else None

    # -- look-up -------------------------------------------------------------------------------

    def _remember(self, key: Any) -> _Entry:
        provider, model, response_model, service_tier, speed, day_number = key
        day = datetime.fromtimestamp(day_number * DAY_S, tz=UTC).date().isoformat()
        names = [name for name in (response_model, model) if name]
        entry = self._own(provider, names, day)
        if entry is None:
            entry = self._bundled(provider, names, day, service_tier, str(speed))
        if len(self._cache) >= _CACHE_MAX:
            self._cache.clear()
        self._cache[key] = entry
        return entry

    def _own(self, provider: str, names: list[str], day: str) -> _Entry | None:
        for name in names:
            override = self.overrides.find(provider, name, day)
            if override is not None:
                return self._from_override(override, provider, name, day)
        return None

    def _from_override(self, override: Override, provider: str, name: str, day: str) -> _Entry:
        price_id = f"overrides:{override.provider or provider or 'any'}/{name}"
        if not override.same_as:
            return Table(override.prices, price_id=price_id, price_date=self.overrides.date)
        seller, _, model = override.same_as.rpartition("/")
        entry = self._bundled(seller, [model], day, "", "")
        if isinstance(entry, Unpriced):
            return Unpriced(f"{price_id} is the same as {override.same_as}, which has no price")
        label = "" if override.multiply_by == 1 else f"*{override.multiply_by:g}"
        if isinstance(entry, Table):
            return entry.scaled(override.multiply_by, f"{price_id}={entry.price_id}{label}")
        return [
            (
                second,
                table.scaled(override.multiply_by, f"{price_id}={table.price_id}{label}")
                if isinstance(table, Table)
                else table,
            )
            for second, table in entry
        ]

    def _bundled(
        self, provider: str, names: list[str], day: str, service_tier: str, speed: str
    ) -> _Entry:
        for name in names:
            model = self.catalog.find(provider, name)
            if model is not None:
                return self._tables(model, provider, day, service_tier, speed)
        if provider and self.catalog.provider(provider) is None:
            return Unpriced(f"no prices for provider {provider!r}")
        seller = f" of {provider}" if provider else ""
        return Unpriced(f"no price for {' or '.join(map(repr, names)) or 'no model'}{seller}")

    def _tables(
        self, model: Model, provider: str, day: str, service_tier: str, speed: str
    ) -> _Entry:
        context = price_context(model.provider.id, service_tier, speed)
        if context and provider and self.catalog.provider(provider) is not model.provider:
            label = ", ".join(context.values())
            return Unpriced(f"no price of {provider} for {label} processing of {model.name}")
        found: list[tuple[int, Table | Unpriced]] = []
        for second in changes_within_day(model):
            table = table_for(
                model,
                source=self.catalog.source,
                data_date=self.catalog.date,
                day=day,
                second=second,
                context=context,
            )
            found.append((second, Unpriced(table) if isinstance(table, str) else table))
        return found[0][1] if len(found) == 1 else found

    # -- for people ----------------------------------------------------------------------------

    def show(self, provider: str, model: str, *, when_ns: int | None = None) -> list[ShownPrice]:
        """Return the prices of a model now: more than one when they depend on the time of day."""
        when_s = (time.time_ns() if when_ns is None else when_ns) // 1_000_000_000
        entry = self._remember((provider, model, "", "", "", when_s // DAY_S))
        rows = entry if isinstance(entry, list) else [(0, entry)]
        return [
            ShownPrice(
                table.price_id if len(rows) == 1 else f"{table.price_id} from {_clock(second)} UTC",
                table.price_date,
                dict(table.prices),
            )
            for second, table in rows
            if isinstance(table, Table)
        ]

    def contexts(self, provider: str, model: str) -> list[str]:
        """Return what else the model is priced for, as ``service_tier=flex``."""
        found = self.catalog.find(provider, model)
        variants = found.data.get("variants", ()) if found is not None else ()
        names = [";".join(f"{key}={value}" for key, value in when.items()) for when, *_ in variants]
        return [name for name in dict.fromkeys(names) if name != "service_tier=default"]

    def nearest(self, provider: str, model: str, count: int = 5) -> list[str]:
        """Return the names of models that look like one that is unknown."""
        seller = self.catalog.provider(provider) if provider else None
        sellers = [seller] if seller is not None else list(self.catalog.providers.values())
        names = {one.data["id"]: one.name for seller in sellers for one in seller.models}
        wanted = model.lower().rpartition("/")[2]
        close = difflib.get_close_matches(wanted, names, n=count, cutoff=0.5)
        return [names[name] for name in close]


def _at(entry: list[tuple[int, Table | Unpriced]], second: int) -> Table | Unpriced:
    found = entry[0][1]
    for start, table in entry:
        if second >= start:
            found = table
    return found


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second % 3600 // 60:02}"
