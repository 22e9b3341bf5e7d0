"""What the dashboards ask and show: the one place for their queries."""

from __future__ import annotations

from typing import NamedTuple

WIDTH, HALF, THIRD, QUARTER = 24, 12, 8, 6
RATE = "[$__rate_interval]"
MODEL, TOOL = '{model=~"$model"}', '{tool_name=~"$tool"}'
PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
LOKI = {"type": "loki", "uid": "loki"}


class Panel(NamedTuple):
    """One panel: `queries` are legend and expression; `steps` are where colours change."""

    title: str
    kind: str
    queries: list[tuple[str, str]]
    unit: str
    about: str
    width: int = HALF
    stacked: bool = False
    instant: bool = False
    steps: tuple[float | None, float | None] = (None, None)
    links_to_traces: bool = False
    source: dict[str, str] = PROMETHEUS


class Dashboard(NamedTuple):
    """One file."""

    uid: str
    title: str
    about: str
    panels: list[Panel]
    variables: tuple[str, ...] = ()
    refresh: str = "30s"
    past: str = "now-6h"


def quantiles(metric: str, labels: str, by: str = "") -> list[tuple[str, str]]:
    """Return the median, 95th and 99th percentile of a histogram."""
    return [(f"p{percent}", quantile(percent, metric, labels, by)) for percent in (50, 95, 99)]


def quantile(percent: int, metric: str, labels: str, by: str = "") -> str:
    """Return the expression of one percentile."""
    groups = f"le, {by}" if by else "le"
    rate = f"sum by ({groups}) (rate({metric}_bucket{labels}{RATE}))"
    return f"histogram_quantile({percent / 100:g}, {rate})"


OVERVIEW = Dashboard(
    "alex-dashboard",
    "ALEX agents",
    "What the agents do now: requests, latency, tokens, cost, sessions and tools.",
    [
        Panel(
            "LLM request rate",
            "timeseries",
            [("{{model}}", f"sum by (model) (rate(alex_llm_requests_total{MODEL}{RATE}))")],
            "reqps",
            "Requests per second to each model, failed ones included.",
        ),
        Panel(
            "LLM latency (p50, p95, p99)",
            "timeseries",
            quantiles("alex_llm_latency", MODEL),
            "s",
            "From the request to the end of the response; the dots are traces.",
            steps=(10, 30),
            links_to_traces=True,
        ),
        Panel(
            "Token usage rate",
            "timeseries",
            [
                ("input", f"sum(rate(alex_llm_tokens_input_total{MODEL}{RATE}))"),
                ("output", f"sum(rate(alex_llm_tokens_output_total{MODEL}{RATE}))"),
            ],
            "tokens/s",
            "Tokens per second; input includes cached tokens, output includes reasoning.",
            stacked=True,
        ),
        Panel(
            "Cost over time",
            "timeseries",
            [("{{model}}", f"sum by (model) (increase(alex_cost_total{MODEL}[1h]))")],
            "currencyUSD",
            "USD in the hour before each point, by model.",
        ),
        Panel(
            "Active sessions",
            "gauge",
            [("sessions", "sum(alex_sessions_active)")],
            "short",
            "Sessions that run now.",
            width=QUARTER,
            instant=True,
            steps=(50, 100),
        ),
        Panel(
            "Tool usage distribution",
            "piechart",
            [
                (
                    "{{tool_name}}",
                    f"sum by (tool_name) (increase(alex_tool_executions_total{TOOL}[$__range]))",
                )
            ],
            "short",
            "Executions of each tool in the time that is shown.",
            width=QUARTER,
            instant=True,
        ),
        Panel(
            "Tool execution duration (p95)",
            "timeseries",
            [("{{tool_name}}", quantile(95, "alex_tool_duration", TOOL, "tool_name"))],
            "s",
            "95 of 100 executions of the tool were faster.",
            width=QUARTER,
            steps=(5, 30),
        ),
        Panel(
            "Model usage distribution",
            "piechart",
            [("{{model}}", f"sum by (model) (increase(alex_llm_requests_total{MODEL}[$__range]))")],
            "short",
            "Requests to each model in the time that is shown.",
            width=QUARTER,
            instant=True,
        ),
    ],
    variables=("model", "tool"),
    refresh="5s",
    past="now-15m",
)

COST = Dashboard(
    "alex-cost",
    "ALEX cost",
    "What the agents cost, against the budgets of rules/budgets.yml.",
    [
        Panel(
            "Cost per hour and budget",
            "timeseries",
            [
                ("cost", "alex:cost_usd:increase1h"),
                ("budget", "alex:budget:cost_usd_per_hour"),
            ],
            "currencyUSD",
            "USD in the hour before each point, all models.",
        ),
        Panel(
            "Cost per session and budget",
            "timeseries",
            [
                ("cost", "alex:cost_usd_per_session:increase1h"),
                ("budget", "alex:budget:cost_usd_per_session"),
            ],
            "currencyUSD",
            "Cost of the last hour by the sessions that ended in it.",
        ),
        Panel(
            "Cost by model",
            "piechart",
            [("{{model}}", f"sum by (model) (increase(alex_cost_total{MODEL}[$__range]))")],
            "currencyUSD",
            "Share of each model in the time that is shown.",
            width=THIRD,
            instant=True,
        ),
        Panel(
            "Cost per million tokens",
            "timeseries",
            [
                (
                    "{{model}}",
                    (
                        f"1e6 * sum by (model) (rate(alex_cost_total{MODEL}[1h])) / "
                        f"(sum by (model) (rate(alex_llm_tokens_input_total{MODEL}[1h])) + "
                        f"sum by (model) (rate(alex_llm_tokens_output_total{MODEL}[1h])))"
                    ),
                )
            ],
            "currencyUSD",
            "What a model's tokens cost on average; caching makes it fall.",
            width=THIRD,
        ),
        Panel(
            "Requests without a price",
            "timeseries",
            [
                (
                    "{{model}}",
                    f"sum by (model) (increase(alex_cost_unpriced_total{MODEL}[1h]))",
                )
            ],
            "short",
            "Their cost is unknown and missing above. Empty when every model has a price.",
            width=THIRD,
        ),
    ],
    variables=("model",),
)

SESSIONS = Dashboard(
    "alex-sessions",
    "ALEX sessions and agents",
    "Sessions, how long they take, and what they spend.",
    [
        Panel(
            "Active sessions",
            "timeseries",
            [("{{job}} {{instance}}", "sum by (job, instance) (alex_sessions_active)")],
            "short",
            "Sessions that run now, by process.",
        ),
        Panel(
            "Sessions ended",
            "timeseries",
            [
                (
                    "{{error_type}}",
                    f"sum by (error_type) (rate(gen_ai_invoke_agent_duration_seconds_count{RATE}))",
                )
            ],
            "ops",
            "Per second; those that failed by the type of their error.",
        ),
        Panel(
            "Session duration (p50, p95, p99)",
            "timeseries",
            quantiles("gen_ai_invoke_agent_duration_seconds", ""),
            "s",
            "From the start of a session to its end.",
            links_to_traces=True,
        ),
        Panel(
            "LLM requests per session",
            "timeseries",
            [("requests", "alex:llm_requests_per_session:increase1h")],
            "short",
            "Requests of the last hour by the sessions that ended in it.",
        ),
        Panel(
            "Time to first chunk (p95)",
            "timeseries",
            [
                (
                    "{{gen_ai_request_model}}",
                    quantile(
                        95,
                        "gen_ai_client_operation_time_to_first_chunk_seconds",
                        '{gen_ai_request_model=~"$model"}',
                        "gen_ai_request_model",
                    ),
                )
            ],
            "s",
            "Of streamed answers: how long a person waits for the first word.",
        ),
        Panel(
            "Agents",
            "table",
            [
                (
                    "",
                    (
                        "max by (service_name, service_version, deployment_environment_name, "
                        "instance) (target_info)"
                    ),
                )
            ],
            "short",
            "The processes that are observed.",
            instant=True,
        ),
    ],
    variables=("model",),
)

TOOLS = Dashboard(
    "alex-tools",
    "ALEX tools",
    "How often tools run, how long they take, and how often they fail.",
    [
        Panel(
            "Executions",
            "timeseries",
            [
                (
                    "{{tool_name}} {{status}}",
                    f"sum by (tool_name, status) (rate(alex_tool_executions_total{TOOL}{RATE}))",
                )
            ],
            "ops",
            "Per second, by outcome.",
        ),
        Panel(
            "Share of failures",
            "timeseries",
            [("{{tool_name}}", f"alex:tool_failures:ratio_rate5m{TOOL}")],
            "percentunit",
            "Of all executions in five minutes.",
            steps=(0.05, 0.2),
        ),
        Panel(
            "Duration (p50)",
            "timeseries",
            [("{{tool_name}}", quantile(50, "alex_tool_duration", TOOL, "tool_name"))],
            "s",
            "Half of the executions were faster.",
        ),
        Panel(
            "Duration (p95)",
            "timeseries",
            [("{{tool_name}}", f"alex:tool_duration_seconds:p95_rate5m{TOOL}")],
            "s",
            "95 of 100 executions were faster.",
        ),
        Panel(
            "Time spent in tools",
            "piechart",
            [
                (
                    "{{tool_name}}",
                    f"sum by (tool_name) (increase(alex_tool_duration_sum{TOOL}[$__range]))",
                )
            ],
            "s",
            "Seconds in each tool in the time that is shown.",
            width=WIDTH,
            instant=True,
        ),
    ],
    variables=("tool",),
)

RELIABILITY = Dashboard(
    "alex-reliability",
    "ALEX telemetry itself",
    "What became of every record, what waits, and how the stack is.",
    [
        Panel(
            "Records by outcome",
            "timeseries",
            [
                (
                    "{{signal}} {{outcome}}",
                    f"sum by (signal, outcome) (rate(alexobs_records_total{RATE}))",
                )
            ],
            "ops",
            "Created = exported + sampled out + dropped + waiting.",
        ),
        Panel(
            "Records lost",
            "timeseries",
            [
                (
                    "{{signal}} {{reason}}",
                    "sum by (signal, reason) (increase(alexobs_records_dropped_total[5m]))",
                )
            ],
            "short",
            "Empty is well: nothing was lost.",
            steps=(None, 1),
        ),
        Panel(
            "Records that wait",
            "timeseries",
            [("{{signal}}", "sum by (signal) (alexobs_records_waiting)")],
            "short",
            "In memory or in the spool on disk; they grow while no back end answers.",
        ),
        Panel(
            "Secrets removed",
            "timeseries",
            [("{{rule}}", "sum by (rule) (increase(alexobs_redactions_total[1h]))")],
            "short",
            "Replacements by rule. Empty when no agent handled a secret.",
        ),
        Panel(
            "Faults kept from the agents",
            "timeseries",
            [("{{where}}", "sum by (where) (increase(alexobs_faults_total[1h]))")],
            "short",
            "Empty is well. Each is also in the agent's log.",
            steps=(None, 1),
        ),
        Panel(
            "Services",
            "timeseries",
            [("{{job}} {{service}} {{instance}}", "up")],
            "bool",
            "1: Prometheus reaches it.",
        ),
    ],
)

_LINES = '{service_name=~".+"}'
LOGS = Dashboard(
    "alex-logs",
    "ALEX logs",
    "Log lines that came over OTLP; the profile `full` has them.",
    [
        Panel(
            "Lines by level",
            "timeseries",
            [
                (
                    "{{service_name}} {{severity_text}}",
                    f"sum by (service_name, severity_text) (count_over_time({_LINES}[$__auto]))",
                )
            ],
            "short",
            "How many lines there were.",
            width=WIDTH,
            stacked=True,
            source=LOKI,
        ),
        Panel(
            "Warnings and errors",
            "logs",
            [("", f'{_LINES} | severity_text=~"(?i)warn.*|error"')],
            "short",
            "The id of a line's trace leads to the trace.",
            width=WIDTH,
            source=LOKI,
        ),
        Panel(
            "All lines",
            "logs",
            [("", _LINES)],
            "short",
            "Newest first.",
            width=WIDTH,
            source=LOKI,
        ),
    ],
)

DASHBOARDS = (OVERVIEW, COST, SESSIONS, TOOLS, RELIABILITY, LOGS)
