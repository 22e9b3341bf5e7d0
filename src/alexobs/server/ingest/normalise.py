"""Brings what others wrote to one form."""

from __future__ import annotations

from typing import Any


class Normaliser:
    """Maps attributes of every dialect to those that the store's columns are filled from."""

    def normalise(self, resource: Any, scope_spans: Any) -> None:
        """Rewrite the spans of one scope in place."""

    def redact_logs(self, request: Any) -> None:
        """Remove secrets from log records in place."""
