"""Remembers the resources that requests repeat, each by the hash of its encoded form."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, NamedTuple

from alexobs import semconv
from alexobs.server.ingest import proto
from alexobs.server.ingest.attributes import json_text

_MOST: Final = 4096


class Sender(NamedTuple):
    """One resource as the store keeps it."""

    resource_id: int
    service: str
    instance: str
    attributes: str

    def row(self, time_ns: int) -> tuple[int, str, str, str, int]:
        """Return the row of the table of resources."""
        return (self.resource_id, self.service, self.instance, self.attributes, time_ns)


class Senders:
    """Encoded resource to `Sender`, and encoded scope to its name."""

    def __init__(self) -> None:
        self._resources: dict[bytes, Sender] = {}
        self._scopes: dict[bytes, str] = {}

    def resource(self, encoded: bytes) -> Sender:
        """Return what is kept of an encoded resource."""
        found = self._resources.get(encoded)
        if found is None:
            if len(self._resources) >= _MOST:
                self._resources.clear()
            found = self._resources[encoded] = _sender(encoded)
        return found

    def scope(self, encoded: bytes) -> str:
        """Return the name of an encoded scope."""
        found = self._scopes.get(encoded)
        if found is None:
            if len(self._scopes) >= _MOST:
                self._scopes.clear()
            found = self._scopes[encoded] = proto.Scope.FromString(encoded).name
        return found


def _sender(encoded: bytes) -> Sender:
    attributes = proto.attributes_of(proto.Resource.FromString(encoded).attributes)
    text = json_text(dict(sorted(attributes.items())))
    name = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
    return Sender(
        name,
        _text(attributes, semconv.SERVICE_NAME) or "unknown_service",
        _text(attributes, semconv.SERVICE_INSTANCE_ID),
        text,
    )


def _text(attributes: dict[str, Any], key: str) -> str:
    value = attributes.get(key)
    return value if isinstance(value, str) else "" if value is None else str(value)
