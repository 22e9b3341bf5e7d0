from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alexobs.testing.provider import ScriptedProvider

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with ScriptedProvider() as provider:
        yield provider
