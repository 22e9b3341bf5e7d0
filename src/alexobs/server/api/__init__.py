"""The JSON API: what the page, the command line and other programs ask the store.

``endpoints`` is the table that everything follows from: routes, checks of parameters, and the
description at ``/api/openapi.json``. ``shapes`` are the forms of answers. Each other module
answers what its name says, from named queries of the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from alexobs.server.app import Context


def routes(context: Context) -> list[BaseRoute]:
    """Return the routes of the API."""
    from alexobs.server.api.answers import api_routes  # noqa: PLC0415

    return api_routes(context)
