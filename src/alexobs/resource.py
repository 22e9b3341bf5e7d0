"""The resource: who sends this telemetry."""

from __future__ import annotations

import os
import platform
import socket
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexobs import __version__, semconv
from alexobs.records import Resource

if TYPE_CHECKING:
    from alexobs.config.model import Config


def resource_of(config: Config) -> Resource:
    """Return this process's resource: the configured attributes over what can be found out."""
    tracing = config.tracing
    attributes: dict[str, Any] = {
        semconv.SERVICE_NAME: tracing.service_name or program_name(),
        semconv.SERVICE_INSTANCE_ID: str(uuid.uuid4()),
        "telemetry.sdk.name": "alexobs",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": __version__,
        "process.pid": os.getpid(),
        "process.runtime.name": platform.python_implementation().lower(),
        "process.runtime.version": platform.python_version(),
        "host.name": socket.gethostname(),
    }
    if tracing.service_version:
        attributes[semconv.SERVICE_VERSION] = tracing.service_version
    if tracing.environment:
        attributes[semconv.DEPLOYMENT_ENVIRONMENT] = tracing.environment
    # What the user says last counts, but never an empty name.
    attributes.update(tracing.resource)
    if tracing.service_name:
        attributes[semconv.SERVICE_NAME] = tracing.service_name
    return Resource(attributes)


def program_name() -> str:
    """Return a service name for a process that was not given one: its script or module."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name and not spec.name.startswith("_"):
        return str(spec.name).removesuffix(".__main__")
    path = sys.argv[0] if sys.argv else ""
    stem = Path(path).stem
    return stem if stem and stem != "-c" else "python"
