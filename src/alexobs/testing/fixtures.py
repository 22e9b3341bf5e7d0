"""pytest fixtures; pytest finds them by itself when alexobs is installed.

``alexobs_capture`` keeps telemetry in memory, ``alexobs_provider`` is a scripted LLM provider and
``alexobs_sink`` an OTLP receiver. The parts are imported when a test asks for them, so that test
runs which do not use them pay nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.testing.capture import Capture
    from alexobs.testing.otlp import OTLPSink
    from alexobs.testing.provider import ScriptedProvider


@pytest.fixture
def alexobs_capture() -> Iterator[Capture]:
    """An `Observability` whose spans, logs and metrics stay in memory, exactly comparable."""
    from alexobs.testing.capture import Capture  # noqa: PLC0415 - see above

    with Capture() as capture:
        yield capture


@pytest.fixture
def alexobs_provider() -> Iterator[ScriptedProvider]:
    """A scripted LLM provider on loopback."""
    from alexobs.testing.provider import ScriptedProvider  # noqa: PLC0415

    with ScriptedProvider() as provider:
        yield provider


@pytest.fixture
def alexobs_sink() -> Iterator[OTLPSink]:
    """An OTLP receiver on loopback."""
    from alexobs.testing.otlp import OTLPSink  # noqa: PLC0415

    with OTLPSink() as sink:
        yield sink
