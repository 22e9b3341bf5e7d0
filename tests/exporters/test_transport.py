"""Encrypted connections and proxies."""

from __future__ import annotations

import datetime as dt
import http.server
import ipaddress
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from alexobs.config.model import Config, TracingConfig
from alexobs.exporters.factory import make_exporter
from alexobs.records import Batch, Resource, SendResult
from alexobs.testing.loopback import LoopbackServer, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from alexobs.testing.otlp import OTLPSink


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("pem")
    (folder / "certificate").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "certificate", folder / "key"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that does not trust us hangs up; that is what some tests are about."""


@pytest.fixture
def https_port(pem: tuple[Path, Path], request: pytest.FixtureRequest) -> Iterator[int]:
    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pem)
    if getattr(request, "param", "") == "asks for a certificate":
        context.load_verify_locations(pem[0])
        context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def send(endpoint: str, **tracing: Any) -> SendResult:
    exporter = make_exporter(Config(tracing=TracingConfig(otlp_endpoint=endpoint, **tracing)))
    assert exporter is not None
    result = exporter.send(Batch("traces", "otlp", 0, exporter.encode_spans([], Resource())), 5.0)
    exporter.close()
    return result


def test_https_with_our_own_authority(
    https_port: int, pem: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", str(pem[0]))
    assert send(f"https://127.0.0.1:{https_port}").accepted


def test_https_that_is_not_trusted(https_port: int) -> None:
    result = send(f"https://127.0.0.1:{https_port}")
    assert (result.accepted, result.retry) == (False, True)
    assert "certificate" in result.message.lower()


@pytest.mark.parametrize("https_port", ["asks for a certificate"], indirect=True)
def test_https_with_a_client_certificate(
    https_port: int, pem: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(pem[0]))
    assert not send(f"https://127.0.0.1:{https_port}").accepted
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", str(pem[0]))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", str(pem[1]))
    assert send(f"https://127.0.0.1:{https_port}").accepted


def test_grpc_over_tls(pem: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = (path.read_bytes() for path in pem)
    handlers = grpc.method_handlers_generic_handler(
        "opentelemetry.proto.collector.trace.v1.TraceService",
        {"Export": grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")},
    )
    server = grpc.server(ThreadPoolExecutor(1), handlers=[handlers])
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    server.start()
    try:
        untrusted = send(f"https://127.0.0.1:{port}", otlp_protocol="grpc")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(pem[0]))
        trusted = send(f"https://127.0.0.1:{port}", otlp_protocol="grpc")
    finally:
        server.stop(0)
    assert (untrusted.accepted, untrusted.retry) == (False, True)
    assert trusted.accepted


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Request]]:
    seen: list[Request] = []

    def accept(request: Request) -> Response:
        seen.append(request)
        return Response()

    with LoopbackServer(accept) as server:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://me:word@127.0.0.1:{server.port}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.setenv(name, "127.0.0.1")
        yield seen


def test_the_environments_proxy_is_used(proxy: list[Request]) -> None:
    assert send("http://collector.invalid:4318").accepted
    assert proxy[0].path == "http://collector.invalid:4318/v1/traces"
    assert proxy[0].headers["proxy-authorization"].startswith("Basic ")


def test_the_environments_exceptions_are_kept(proxy: list[Request], sink: OTLPSink) -> None:
    assert send(sink.endpoint).accepted
    assert proxy == []
