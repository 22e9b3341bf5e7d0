"""Addresses of back ends: parsed once, checked when the configuration is read, shown safely."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from alexobs.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alexobs.records import Signal

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SIGNAL_PATH = re.compile(r"/v1/(traces|logs|metrics)/?\Z")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\x80-\xff\t]*\Z")
_LOOPBACK_V4 = re.compile(r"127\.\d+\.\d+\.\d+\Z")
_USERINFO = re.compile(r"(\A|//).*@")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A back end's address. ``path`` has no trailing slash of its own added or removed."""

    scheme: str
    host: str
    port: int
    path: str = ""
    query: str = ""
    authorization: str = ""
    explicit_scheme: bool = True

    @property
    def origin(self) -> str:
        """Scheme, host and port, as in ``http://localhost:4318``."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and port, as gRPC wants them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """Path and query of the request line."""
        path = self.path or "/"
        return f"{path}?{self.query}" if self.query else path

    @property
    def display(self) -> str:
        """The address without credentials and query, for messages."""
        return self.origin + self.path

    @property
    def on_this_machine(self) -> bool:
        """Whether the address says so itself; a name that only resolves to it does not count."""
        host = self.host.rstrip(".").lower()
        return host in {"localhost", "::1"} or bool(_LOOPBACK_V4.match(host))

    def for_signal(self, signal: Signal) -> Endpoint:
        """Return the OTLP/HTTP address of one signal.

        A base address gets ``/v1/<signal>`` appended; the full address of any signal leads to
        its siblings.
        """
        base = _SIGNAL_PATH.sub("", self.path).rstrip("/")
        return replace(self, path=f"{base}/v1/{signal}")


def parse_endpoint(text: str, *, key: str, default_port: int | None = None) -> Endpoint:
    """Return the address in `text`: a URL, or ``host:port`` for plain HTTP.

    Args:
        text: as configured.
        key: path of the setting, for the message.
        default_port: for ``host`` alone; None takes the scheme's.

    Raises:
        ConfigError: when `text` is no such address.
    """
    explicit_scheme = "://" in text
    try:
        parts = urlsplit(text if explicit_scheme else f"//{text}")
        fault = _fault(text, parts)
    except (ValueError, UnicodeError) as error:
        raise _refusal(text, key, str(error)) from None
    if fault:
        raise _refusal(text, key, fault)
    scheme = parts.scheme.lower() or ("https" if parts.port == 443 else "http")
    return Endpoint(
        scheme=scheme,
        host=parts.hostname or "",
        port=parts.port or default_port or _DEFAULT_PORTS[scheme],
        path=parts.path,
        query=parts.query,
        authorization=_basic(parts.username, parts.password),
        explicit_scheme=explicit_scheme,
    )


def _refusal(text: str, key: str, fault: str) -> ConfigError:
    shown = repr(_USERINFO.sub(r"\1…@", text))
    expected = "expected http://host:port, https://host:port or host:port"
    return ConfigError([Problem("", key, shown, expected, fault)])


def _fault(text: str, parts: SplitResult) -> str:
    """Say what is wrong with an address, or nothing; ValueError says it too."""
    if not text or any(character <= " " or character == "\x7f" for character in text):
        return "it is empty or holds white space"
    if parts.scheme and parts.scheme.lower() not in _DEFAULT_PORTS:
        return f"the scheme {parts.scheme!r} is not known"
    if not parts.hostname:
        return "it names no host"
    if parts.port == 0:
        return "port 0 is nobody's"
    parts.hostname.encode("idna")
    return ""


def _basic(username: str | None, password: str | None) -> str:
    if username is None:
        return ""
    pair = f"{unquote(username)}:{unquote(password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def check_headers(headers: Mapping[str, str], *, key: str) -> dict[str, str]:
    """Return `headers` with lower-case names.

    Raises:
        ConfigError: when one cannot be sent; the message names it and never shows its value.
    """
    for name, value in headers.items():
        if not _HEADER_NAME.match(name):
            raise ConfigError(
                [Problem("", key, repr(name), "expected a header name: letters, digits, hyphens")]
            )
        if not _HEADER_VALUE.match(value):
            raise ConfigError(
                [Problem("", f"{key}.{name}", "", "expected Latin-1 text on one line")]
            )
    return {name.lower(): value for name, value in headers.items()}


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files for TLS: whom to trust, and who we are. Empty: the system's, and nobody."""

    trusted: str = ""
    client: str = ""
    client_key: str = ""

    @classmethod
    def from_environment(cls, signal: Signal) -> Certificates:
        """Return what ``OTEL_EXPORTER_OTLP_[<SIGNAL>_]CERTIFICATE`` and its kin name.

        Raises:
            ConfigError: when a file is missing.
        """
        return cls(
            _certificate_file("CERTIFICATE", signal),
            _certificate_file("CLIENT_CERTIFICATE", signal),
            _certificate_file("CLIENT_KEY", signal),
        )


def _certificate_file(kind: str, signal: Signal) -> str:
    for variable in (
        f"OTEL_EXPORTER_OTLP_{signal.upper()}_{kind}",
        f"OTEL_EXPORTER_OTLP_{kind}",
    ):
        path = os.environ.get(variable, "").strip()
        if path:
            if not os.path.isfile(path):  # noqa: PTH113 - no Path is needed for a question
                raise ConfigError([Problem(variable, "", repr(path), "expected a PEM file")])
            return path
    return ""
