"""The stream: what is committed comes, once, and a client that was away catches up."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import TYPE_CHECKING, Any

from api_kit import LogFact, Traffic, logs_request, traces_request

if TYPE_CHECKING:
    from api_kit import Api


def follow(api: Api, query: str = "", last: str = "") -> list[tuple[str, int, dict[str, Any]]]:
    """Return kind, id and data of the events until the server ends the stream."""
    client = http.client.HTTPConnection("127.0.0.1", api.server.port("web"), timeout=20)
    client.request("GET", f"/api/live?{query}", headers={"last-event-id": last} if last else {})
    response = client.getresponse()
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    text = response.read().decode()
    client.close()
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "data" in fields:
            found.append((fields["event"], int(fields["id"]), json.loads(fields["data"])))
    return found


def test_what_is_committed_comes(empty_api: Api) -> None:
    traffic = Traffic(seed=4, sessions=2)
    found: list[Any] = []
    listener = threading.Thread(target=lambda: found.extend(follow(empty_api, "max_s=1.5")))
    listener.start()
    time.sleep(0.5)
    empty_api.send("traces", traces_request(traffic.spans))
    empty_api.send("logs", logs_request(traffic.logs))
    listener.join()
    spans = [row for kind, _, data in found if kind == "spans" for row in data["spans"]]
    assert {row["span_id"] for row in spans} == {span.span_id for span in traffic.spans}
    assert len(spans) == len(traffic.spans)
    assert all(row["status"] for row in spans)
    logs = [row for kind, _, data in found if kind == "logs" for row in data["logs"]]
    assert len(logs) == len(traffic.logs)


def test_a_client_catches_up_where_it_was(empty_api: Api) -> None:
    first, second = Traffic(seed=5, sessions=1), Traffic(seed=6, sessions=1)
    empty_api.send("traces", traces_request(first.spans))
    number = empty_api.get("store")["committed"]
    empty_api.send("traces", traces_request(second.spans))
    ((kind, seq, data),) = follow(empty_api, "max_s=0", last=str(number))
    assert (kind, seq) == ("spans", empty_api.get("store")["committed"])
    assert {row["span_id"] for row in data["spans"]} == {span.span_id for span in second.spans}
    assert follow(empty_api, "max_s=0", last=str(seq)) == []
    assert follow(empty_api, "max_s=0", last="no number") == []


def test_of_one_session_or_trace(empty_api: Api) -> None:
    traffic = Traffic(seed=7, sessions=3)
    empty_api.send("traces", traces_request(traffic.spans))
    root = traffic.spans[0]
    for query in (f"session={root.session}", f"trace={root.trace_id}"):
        ((_, _, data),) = follow(empty_api, f"max_s=0&after=0&{query}")
        wanted = {span.span_id for span in traffic.spans if span.trace == root.trace}
        assert {row["span_id"] for row in data["spans"]} == wanted


def test_who_has_missed_too_much_loads_anew(empty_api: Api) -> None:
    log = LogFact(Traffic(seed=8, sessions=1).spans[0].start_ns, 9, "x", 0, 0, "", "s", {})
    empty_api.send("logs", logs_request([log] * 600))
    ((kind, _, data),) = follow(empty_api, "max_s=0&after=0")
    assert (kind, data["missed_commits"]) == ("reset", 1)
    ((kind, _, _),) = follow(empty_api, "max_s=0&after=99999")  # the data was reset
    assert kind == "reset"
