"""The commands that ask the server, against a running one."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from alexobs import cli
from alexobs.cli import mcp
from alexobs.cli.client import ApiClientError, Client, moment_ms
from alexobs.cli.tools import MAX_CHARS, TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from api_kit import Api, Traffic

    Run = Callable[..., str]


@pytest.fixture
def run(api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("ALEX_SERVER_URL", f"http://127.0.0.1:{api.server.port('web')}")

    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert cli.main(arguments) == code, capsys.readouterr()
        out, err = capsys.readouterr()
        return out or err

    return run


def test_traces(run: Run, traffic: Traffic) -> None:
    traces = {span.trace_id for span in traffic.spans}
    assert set(re.findall("[0-9a-f]{32}", run("traces", "--limit", "1000"))) == traces
    found = json.loads(run("traces", "--sort", "cost", "--limit", "3", "--json"))
    costs = [trace["cost_usd"] for trace in found]
    assert len(costs) == 3
    assert costs == sorted(costs, reverse=True)
    assert run("traces", "no such text at all") == "no trace matches\n"


def test_trace(run: Run, traffic: Traffic) -> None:
    spans = [span for span in traffic.spans if span.trace == traffic.spans[0].trace]
    tree = run("trace", spans[0].trace_id)
    assert tree.count("llm ") == sum(span.is_llm for span in spans)
    found = json.loads(run("trace", spans[0].trace_id[:12], "--json"))
    assert len(found["spans"]) == len(spans)
    one = json.loads(run("trace", spans[0].trace_id, "--span", spans[1].span_id))
    assert one["parent_span_id"] == spans[0].span_id
    newest = max(traffic.spans, key=lambda span: span.start_ns if not span.parent else 0)
    assert newest.trace_id in run("trace", "last")
    assert "no trace is ffffff" in run("trace", "ffffff", code=1)
    assert "is no trace id" in run("trace", "xyz", code=1)


def test_sessions(run: Run, traffic: Traffic) -> None:
    table = run("sessions", "--limit", "1000")
    assert {span.session for span in traffic.spans} == set(re.findall(r" (session-\d+)  ", table))
    talk = run("sessions", "session-3")
    assert talk.count("task 3: fix the bug") == 1
    assert "assistant: answer 1 of session-3" in talk
    assert json.loads(run("sessions", "session-3", "--json"))["turns"]
    assert "is not here" in run("sessions", "nobody", code=1)


def test_logs(run: Run, traffic: Traffic) -> None:
    lines = run("logs", "--limit", "1000").splitlines()
    assert len(lines) == len(traffic.logs)
    errors = run("logs", "--level", "error", "--limit", "1000").splitlines()
    assert len(errors) == sum(log.severity >= 17 for log in traffic.logs)


def test_cost(run: Run) -> None:
    table = run("cost", "--since", "2025-10-01")
    assert re.search(r"home-made +unpriced ", table)
    assert re.search(r"total +\$0\.\d+\+\? ", table)
    assert "calls of home-made: unknown model" in table
    assert run("cost", "--since", "2025-10-01", "--by", "session").count("session-") == 20


def test_sql(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 1 AS a, NULL AS b"))
    assert run("sql", "-").split() == ["a", "b", "1"]
    assert json.loads(run("sql", "SELECT 2 AS x", "--json"))["rows"] == [[2]]
    assert "one SELECT" in run("sql", "DROP TABLE spans", code=1)


def test_export(run: Run, traffic: Traffic, tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    run("export", "-o", str(path))
    assert len(path.read_text().splitlines()) == len(traffic.spans)
    run("export", "logs", "-o", str(tmp_path / "logs.parquet"))
    assert (tmp_path / "logs.parquet").read_bytes()[:4] == b"PAR1"
    assert "cannot be written" in run("export", "-o", str(tmp_path / "no" / "x"), code=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs.parquet", "spans.jsonl"]


def test_tail(run: Run, traffic: Traffic) -> None:
    assert run("tail", "--seconds", "0.2") == ""


def test_no_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["traces", "--url", "http://127.0.0.1:9"]) == 1
    assert "start one with `alexobs up`" in capsys.readouterr().err


def test_something_else_at_the_address(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["traces", "--url", f"http://127.0.0.1:{api.server.port('http')}"]) == 1
    assert capsys.readouterr().err


@pytest.mark.parametrize("text", ["yesterday", "5x", "2026-99-99", "-5m"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ApiClientError, match="is no time"):
        moment_ms(text)


class Agent:
    """A client of the MCP server."""

    def __init__(self, api: Api) -> None:
        self._client = Client(f"http://127.0.0.1:{api.server.port('web')}")

    def say(self, *messages: Any) -> list[Any]:
        lines = [one if isinstance(one, str) else json.dumps(one) for one in messages]
        out = io.StringIO()
        mcp.serve(self._client, io.StringIO("\n".join(lines) + "\n"), out)
        return [json.loads(line) for line in out.getvalue().splitlines()]

    def call(self, tool: str, **arguments: Any) -> str:
        parameters = {"name": tool, "arguments": arguments}
        (answer,) = self.say(
            {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": parameters}
        )
        assert not answer["result"]["isError"], answer
        text: str = answer["result"]["content"][0]["text"]
        return text


@pytest.fixture
def agent(api: Api) -> Agent:
    return Agent(api)


def test_mcp_handshake(agent: Agent) -> None:
    start = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t"}}
    hello, pong, tools = agent.say(
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": start},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": "a", "method": "ping"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    )
    assert hello["result"]["protocolVersion"] == "2025-03-26"
    assert (pong["id"], pong["result"]) == ("a", {})
    named = {tool["name"]: tool for tool in tools["result"]["tools"]}
    assert named.keys() == TOOLS.keys() >= {
        "list_sessions", "get_session", "search_traces", "get_trace", "get_span", "costs",
        "errors", "sql",
    }  # fmt: skip
    assert all(tool["inputSchema"]["type"] == "object" for tool in named.values())


def test_mcp_answers(agent: Agent, traffic: Traffic) -> None:
    span = next(one for one in traffic.spans if one.is_llm)
    outline = agent.call("get_trace", trace_id=span.trace_id)
    assert f"{span.span_id}     llm {span.model}" in outline
    assert json.loads(agent.call("get_span", trace_id=span.trace_id, span_id=span.span_id))[
        "contents"
    ]["input_messages"]
    assert span.session in agent.call("get_session", session_id=span.session)
    assert "home-made" in agent.call("costs", since="2025-10-01")
    assert "TaskFailed" in agent.call("errors", since="2025-10-01")
    assert span.trace_id in agent.call("search_traces", query="task 0: fix")
    assert '"rows": [[1]]' in agent.call("sql", query="SELECT 1")
    assert "session-" in agent.call("list_sessions", sort="cost", limit=2)


def test_mcp_answers_are_bounded_and_go_on(agent: Agent) -> None:
    query = "SELECT trace_id, span_id, name FROM spans ORDER BY ALL"
    offset, whole = 0, ""
    while True:
        part = agent.call("sql", query=query, offset=offset)
        assert len(part) < MAX_CHARS + 200
        more = re.search(r"\n\[characters \d+ to \d+ of \d+; offset=(\d+) goes on\]$", part)
        whole += part[: more.start()] if more else part
        if not more:
            break
        offset = int(more[1])
    assert offset
    whole = re.sub(r'"elapsed_ms": [\d.]+', '"elapsed_ms": 0', whole)
    assert json.loads(whole)["rows"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", -32700),
        ("[" * 100_000, -32700),
        ("1", -32600),
        ("[]", -32600),
        ({"jsonrpc": "2.0", "id": 1}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "resources/list"}, -32601),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rm"}}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": []}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
          "params": {"name": "get_trace", "arguments": {}}}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
          "params": {"name": "sql", "arguments": {"query": 5}}}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
          "params": {"name": "sql", "arguments": {"query": "x", "offset": -5}}}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
          "params": {"name": "errors", "arguments": {"limit": True}}}, -32602),
    ],
)  # fmt: skip
def test_mcp_wrong_messages(agent: Agent, message: Any, code: int) -> None:
    answer, pong = agent.say(message, {"jsonrpc": "2.0", "id": 9, "method": "ping"})
    assert answer["error"]["code"] == code
    assert pong == {"jsonrpc": "2.0", "id": 9, "result": {}}


def test_mcp_failures_are_for_the_agent_to_read(agent: Agent) -> None:
    parameters = {"name": "get_trace", "arguments": {"trace_id": "../../etc"}}
    (answer,) = agent.say({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": parameters})
    assert answer["result"]["isError"]
    assert "there is no" in answer["result"]["content"][0]["text"]
