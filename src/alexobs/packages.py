"""`alexobs.instrument("openai", …)`: whole packages, for the process's `Observability`."""

from __future__ import annotations

from alexobs.instrumentation import packages
from alexobs.observability import Observability, init


def instrument(*names: str, obs: Observability | None = None) -> list[str]:
    """Observe all clients of the named packages, those made before as well; return the names.

    Args:
        names: ``openai``, ``anthropic``, ``google_genai``; default: all that are installed. Also
            ``threading``: threads and thread pools then carry the session they are used in.
        obs: default: the process's own, made by `init` if need be.

    Raises:
        InstrumentationError: a name is unknown; the message names the known ones.
    """
    return packages.instrument(*names, obs=obs if obs is not None else init())


def uninstrument(*names: str) -> list[str]:
    """Put the named packages (default: all) back as they were; return the names."""
    return packages.uninstrument(*names)
