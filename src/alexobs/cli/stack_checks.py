"""What can be wrong with the stack: ports, environment, services, and whether data flows."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.parse
from typing import TYPE_CHECKING, Any, NamedTuple

from alexobs.cli.doctor import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ANSWER_S = 3.0
NOTIFIED = {
    "SLACK_WEBHOOK_URL": "alerts go to no Slack channel",
    "PAGERDUTY_ROUTING_KEY": "nobody is paged for critical alerts",
    "DEADMAN_WEBHOOK_URL": "nobody notices when alerting itself stops",
}
ADDRESSES = ("SLACK_WEBHOOK_URL", "DEADMAN_WEBHOOK_URL", "PAGERDUTY_URL")


class Service(NamedTuple):
    """A service, its variable and default for the host's port, and how it shows its health."""

    name: str
    containers: tuple[str, ...]
    variable: str
    port: int
    health: str | None  # None: it has no such page on this port
    sign: str = ""  # what the answer has in it, so that another program is not taken for it


_MINIMAL = (
    Service("Prometheus", ("prometheus",), "PROMETHEUS_PORT", 9091, "/-/healthy", "Prometheus"),
    Service("Jaeger", ("jaeger", "jaeger-full"), "JAEGER_UI_PORT", 16686, "/api/services", "data"),
    Service("Grafana", ("grafana",), "GRAFANA_PORT", 3000, "/api/health", "database"),
)
_MORE = (
    Service("Loki", ("loki",), "LOKI_PORT", 3100, "/ready", "ready"),
    Service("Alertmanager", ("alertmanager",), "ALERTMANAGER_PORT", 9093, "/-/healthy", "OK"),
)


def _services(profile: str) -> tuple[Service, ...]:
    receiver = ("jaeger",) if profile == "minimal" else ("otel-collector",)
    always = (
        *_MINIMAL,
        Service("OTLP (gRPC)", receiver, "OTLP_GRPC_PORT", 4317, None),
        Service("OTLP (HTTP)", receiver, "OTLP_HTTP_PORT", 4318, None),
        Service("Jaeger Thrift", ("jaeger", "jaeger-full"), "JAEGER_THRIFT_PORT", 14268, None),
    )
    return always if profile == "minimal" else (*always, *_MORE)


def addresses(profile: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return where each service is, for people."""
    host = _host(environment)
    return {
        service.name: f"http://{host}:{_port(service, environment)}"
        for service in _services(profile)
    }


def agent_settings(profile: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of an agent on this machine whose telemetry the stack can take."""
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": addresses(profile, environment)["OTLP (HTTP)"]}
    if profile == "minimal":  # Jaeger takes traces only, and Prometheus is in a container
        settings |= {"ALEX_METRICS_PROMETHEUS_HOST": "0.0.0.0"}  # noqa: S104 - it has to be reached
        settings |= {"ALEX_METRICS_OTLP": "false", "ALEX_LOGGING_OTLP": "false"}
    return settings


def environment(profile: str, variables: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is wrong with, or missing in, the environment. No value is shown."""
    for service in _services(profile):
        given = variables.get(service.variable, "")
        if given and not (given.isdecimal() and 0 < int(given) < 65536):
            yield Finding(
                service.variable, False, "is no port", "Set a number from 1 to 65535, or unset it."
            )
    if profile == "full":
        yield from _notifications(variables)
    exposed = _bound(variables) not in {"127.0.0.1", "localhost", "::1"}
    if exposed and variables.get("GRAFANA_ADMIN_PASSWORD", "admin") == "admin":
        yield Finding(
            "BIND_ADDRESS",
            False,
            "others can reach Grafana, whose password is the default",
            "Set GRAFANA_ADMIN_PASSWORD, or unset BIND_ADDRESS.",
        )


def _notifications(variables: Mapping[str, str]) -> Iterator[Finding]:
    for name in ADDRESSES:
        parsed = urllib.parse.urlsplit(variables.get(name, ""))
        if variables.get(name) and not (parsed.scheme in {"http", "https"} and parsed.netloc):
            yield Finding(
                name, False, "is no web address", "Set one that begins with https://, or unset it."
            )
    for name, consequence in NOTIFIED.items():
        if not variables.get(name):
            yield Finding(name, None, f"is not set: {consequence}")


def taken_ports(profile: str, variables: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the ports that another program has, before anything is started."""
    for service in _services(profile):
        port = _port(service, variables)
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((_bound(variables), port))
        except OSError as error:
            yield Finding(
                service.name,
                False,
                f"port {port} cannot be had: {error.strerror or error}",
                f"End the program that has it, or set {service.variable} to another port.",
            )


def services(
    profile: str, variables: Mapping[str, str], containers: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    """Yield one finding for each service, from its container and from its own answer."""
    for service in _services(profile):
        container = next((containers[one] for one in service.containers if one in containers), None)
        yield _looked_at(service, variables, container)


def _looked_at(
    service: Service, variables: Mapping[str, str], container: Mapping[str, Any] | None
) -> Finding:
    port = _port(service, variables)
    where = f"http://{_host(variables)}:{port}"
    answer = _answer(service, _host(variables), port)
    if answer.ours and (container is None or container.get("State") == "running"):
        return Finding(service.name, True, f"{where} answers")
    if answer.listening and not answer.ours and container is None:
        return Finding(
            service.name,
            False,
            f"port {port} is taken by another program ({answer.text})",
            f"End it, or set {service.variable} to another port; then alexobs stack up.",
        )
    if container is None:
        return Finding(service.name, False, f"{where}: {answer.text}", "Start it: alexobs stack up")
    name = str(container.get("Service", service.containers[0]))
    state = " ".join(str(container.get(key) or "") for key in ("State", "Health")).strip()
    return Finding(
        service.name,
        False,
        f"the container {name} is {state}; {where}: {answer.text}",
        f"Its last words: docker compose -p alexobs logs --tail 20 {name}",
    )


class _Answer(NamedTuple):
    listening: bool
    ours: bool
    text: str


def _answer(service: Service, host: str, port: int) -> _Answer:
    """Ask a service for its health."""
    if service.health is None:
        try:
            with socket.create_connection((host, port), timeout=ANSWER_S):
                return _Answer(True, True, "somebody listens")
        except OSError as error:
            return _Answer(False, False, error.strerror or "no answer")
    try:
        status, body = _get(host, port, service.health)
    except http.client.HTTPException:
        return _Answer(True, False, "it does not speak HTTP")
    except OSError as error:
        return _Answer(isinstance(error, TimeoutError), False, error.strerror or "no answer")
    if status == http.HTTPStatus.OK and service.sign in body:
        return _Answer(True, True, "well")
    return _Answer(True, False, f"{service.health} answers {status}")


def _get(host: str, port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(1_000_000).decode("utf-8", "replace")
    finally:
        connection.close()


def flow(profile: str, variables: Mapping[str, str]) -> Iterator[Finding]:
    """Yield whether data arrives, as far as the services can be asked."""
    host = _host(variables)
    ports = {service.name: _port(service, variables) for service in _services(profile)}
    yield _scraped(host, ports["Prometheus"])
    yield _traced(host, ports["Jaeger"])
    if profile == "full":
        yield _notified(host, ports["Prometheus"])


def _scraped(host: str, port: int) -> Finding:
    try:
        agents = _query(host, port, 'up{job="alex"}')
        senders = _query(host, port, 'group by (job) (target_info{job!="alex"})')
    except (OSError, ValueError, http.client.HTTPException):
        return Finding("metrics", None, "unknown: Prometheus cannot be asked")
    down = [labels["instance"] for labels, value in agents if value != 1]
    up = [labels["instance"] for labels, value in agents if value == 1]
    ways = [f"scraped from {', '.join(up)}"] if up else []
    if senders:
        names = ", ".join(sorted(labels.get("job", "?") for labels, _ in senders))
        ways.append(f"sent to the Collector by {names}")
    if ways:
        return Finding("metrics", True, "; ".join(ways))
    return Finding(
        "metrics",
        None,
        f"no agent is scraped now (tried: {', '.join(down) or 'none yet'})",
        "Run one with ALEX_METRICS_PROMETHEUS_HOST=0.0.0.0, or name it in "
        "prometheus/targets/agents.yml.",
    )


def _traced(host: str, port: int) -> Finding:
    try:
        _, body = _get(host, port, "/api/services")
        names = [str(name) for name in json.loads(body).get("data") or [] if name != "jaeger"]
    except (OSError, ValueError, AttributeError, http.client.HTTPException):
        return Finding("traces", None, "unknown: Jaeger cannot be asked")
    if names:
        return Finding("traces", True, f"of {', '.join(sorted(names))}")
    return Finding("traces", None, "none have arrived yet", "Send some: alexobs demo --no-server")


def _notified(host: str, port: int) -> Finding:
    query = "sum by (integration) (increase(alertmanager_notifications_failed_total[1h])) > 0"
    try:
        asked = _query(host, port, 'up{service="alertmanager"} == 1')
        failed = _query(host, port, query)
    except (OSError, ValueError, http.client.HTTPException):
        return Finding("alerts", None, "unknown: Prometheus cannot be asked")
    if not asked:
        return Finding("alerts", None, "unknown: Prometheus does not reach Alertmanager yet")
    if not failed:
        return Finding("alerts", True, "no notification has failed in the last hour")
    names = ", ".join(sorted(labels.get("integration", "") for labels, _ in failed))
    return Finding(
        "alerts",
        False,
        f"Alertmanager could not notify by {names} in the last hour",
        "Most often the address or key is wrong: docker compose -p alexobs logs alertmanager",
    )


def _query(host: str, port: int, expression: str) -> list[tuple[dict[str, str], float]]:
    words = urllib.parse.urlencode({"query": expression})
    _, body = _get(host, port, f"/api/v1/query?{words}")
    try:
        found = json.loads(body)["data"]["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]
    except (KeyError, TypeError) as error:
        raise ValueError(str(error)) from error


def _port(service: Service, variables: Mapping[str, str]) -> int:
    given = variables.get(service.variable, "")
    return int(given) if given.isdecimal() else service.port


def _bound(variables: Mapping[str, str]) -> str:
    return variables.get("BIND_ADDRESS") or "127.0.0.1"


def _host(variables: Mapping[str, str]) -> str:
    bound = _bound(variables)
    return "127.0.0.1" if bound in {"0.0.0.0", "localhost"} else bound  # noqa: S104 - is compared
