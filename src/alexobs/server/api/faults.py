"""What goes wrong with a request, in the one shape that all errors have."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer that is an error: status, a code for programs, a message and a hint for people."""

    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint

    def body(self) -> dict[str, Any]:
        """Return the body of the answer."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


def not_found(what: str, hint: str = "") -> ApiError:
    """Return the error for something that is not in the store."""
    return ApiError(404, "not_found", f"{what} is not here", hint)
