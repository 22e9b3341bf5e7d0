"""Each page in a real browser, against a real server."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import RunningServer, Trace
    from playwright.sync_api import Browser, Page

    Open = Callable[..., Page]

MESSAGES = json.dumps(
    [{"role": "user", "parts": [{"type": "text", "content": "Why does the test fail?"}]}]
)
ANSWER = json.dumps(
    [{"role": "assistant", "parts": [{"type": "text", "content": "The rate is hard-coded."}]}]
)
HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\">",
    "<script>document.title='owned'</script>",
    "\u202egnp.exe\u2066",
    "javascript:document.title='owned'",
)


def agent_run(server: RunningServer, service: str, session: str, **more: str) -> Trace:
    """Return a sent trace: a session, two iterations, calls, and one failing tool."""
    run = server.trace()
    ids = {"alex__session_id": session} | more
    root = run.span("alex.session.solve_task", 0, 5000, alex__kind="session",
                    alex__task=f"task of {session}", **ids)  # fmt: skip
    one = run.span("alex.react.iteration", 1, 2400, parent=root, alex__kind="iteration",
                   alex__iteration=1, **ids)  # fmt: skip
    run.llm(2, 1200, parent=one, **ids, **{"gen_ai.input.messages": MESSAGES,
            "gen_ai.output.messages": ANSWER,
            "gen_ai.usage.cache_read.input_tokens": 400})  # fmt: skip
    run.tool("read_file", 1300, 40, parent=one, **ids,
             **{"gen_ai.tool.call.arguments": '{"path": "a.py"}',
                "gen_ai.tool.call.result": "print(1)"})  # fmt: skip
    two = run.span("alex.react.iteration", 2500, 2400, parent=root, alex__kind="iteration",
                   alex__iteration=2, **ids)  # fmt: skip
    run.llm(2600, 900, parent=two, model="home-made-model", **ids)
    run.tool("run_tests", 3600, 300, parent=two, error="exit code 1", **ids)
    run.send(service)
    return run


def test_overview_shows_eight_panels_and_each_leads_to_traces(
    server: RunningServer, open_page: Open
) -> None:
    agent_run(server, "overview", "o-1")
    page = open_page("#/overview?service=overview")
    panels = page.locator(".panels > section")
    expect(panels).to_have_count(8)
    expect(page.locator(".panels canvas")).to_have_count(5)
    page.get_by_label("Model usage").get_by_role("link", name="gpt-4.1").click()
    expect(page).to_have_url(re.compile(r"#/traces\?.*model=gpt-4.1"))
    expect(page.locator(".table-row")).to_have_count(1)


def test_a_point_of_a_chart_leads_to_its_traces(server: RunningServer, open_page: Open) -> None:
    run = agent_run(server, "points", "p-1")
    page = open_page("#/overview?service=points")
    plot = page.get_by_label("LLM requests per minute").locator(".u-over")
    box = plot.bounding_box()
    assert box is not None
    panels = server.get("/api/panels?service=points")
    values = panels["panels"]["llm_requests"]["series"][0]["values"]
    index = max(range(len(values)), key=lambda i: values[i] or 0)
    share = (index + 0.5) / len(values)
    page.mouse.click(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
    expect(page).to_have_url(re.compile(r"#/traces\?.*from=\d+&to=\d+"))
    expect(page.locator(f'[data-trace="{run.trace_id}"]')).to_be_visible()


def test_dragging_over_a_chart_zooms_and_the_way_back_is_one_click(
    server: RunningServer, open_page: Open
) -> None:
    agent_run(server, "zoom", "z-1")
    page = open_page("#/overview?service=zoom")
    box = page.get_by_label("Cost", exact=True).locator(".u-over").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 40, steps=5)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"#/overview\?.*from=\d+&to=\d+"))
    page.get_by_title("Back to the moving window").click()
    expect(page).not_to_have_url(re.compile("from="))


def test_filters_stand_in_the_url_and_hold_after_a_reload(
    server: RunningServer, open_page: Open
) -> None:
    agent_run(server, "filters-a", "f-1")
    agent_run(server, "filters-b", "f-2")
    page = open_page("#/traces?service=filters-a&service=filters-b")
    expect(page.locator(".table-row")).to_have_count(2)
    page.locator('[data-facet="service"] > button').click()
    page.locator('[data-facet="service"] label', has_text="filters-b").click()
    expect(page.locator(".table-row")).to_have_count(1)
    assert "filters-b" not in page.url
    page.reload()
    expect(page.locator(".table-row")).to_have_count(1)
    page.get_by_label("Search names, ids, errors, contents").fill("no such thing anywhere")
    expect(page.get_by_role("heading", name="No trace matches")).to_be_visible()


def test_a_trace_shows_totals_and_the_inspector_everything_of_a_span(
    server: RunningServer, open_page: Open
) -> None:
    run = agent_run(server, "inspect", "i-1")
    page = open_page(f"#/traces/{run.trace_id}?service=inspect")
    expect(page.locator(".wf-row")).to_have_count(7)
    truth = server.get(f"/api/traces/{run.trace_id}")["trace"]
    assert truth["unpriced_calls"] == 1
    expect(page.locator(".summary")).to_contain_text("unpriced" if not truth["cost_usd"] else "+?")
    expect(page.locator(".summary")).to_contain_text("2.1k")
    page.locator(".wf-row", has_text="gpt-4.1").click()
    inspector = page.locator(".inspector")
    for text in ("Why does the test fail?", "The rate is hard-coded.", "uncached input600",
                 "cache read400", "genai-prices:openai/gpt-4.1"):  # fmt: skip
        expect(inspector).to_contain_text(text)
    page.locator(".wf-row", has_text="read_file").click()
    expect(inspector).to_contain_text('"path": "a.py"')
    expect(inspector).to_contain_text("print(1)")
    page.locator(".wf-row", has_text="run_tests").click()
    expect(inspector.locator(".fault")).to_contain_text("exit code 1")
    inspector.get_by_role("tab", name="Attributes").click()
    expect(inspector).to_contain_text(run.trace_id)
    inspector.get_by_role("button", name="Copy JSON").click()
    expect(inspector.get_by_role("button", name="Copied")).to_be_visible()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["tool"] == "run_tests"


def test_a_permalink_opens_the_span_even_inside_a_fold(
    server: RunningServer, open_page: Open
) -> None:
    run = server.trace()
    root = run.span("root", 0, 100)
    reads = [run.tool("read_file", i, 1, parent=root) for i in range(8)]
    run.send("permalink")
    page = open_page(f"#/traces/{run.trace_id}?span={reads[5]}")
    expect(page.locator(f'.wf-row.current[data-span="{reads[5]}"]')).to_be_visible()
    expect(page.locator(".inspector")).to_contain_text("read_file")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.endswith(f"#/traces/{run.trace_id}?span={reads[5]}")


def test_a_clean_path_is_a_link_as_well(server: RunningServer, open_page: Open) -> None:
    run = agent_run(server, "clean", "c-1")
    page = open_page(f"traces/{run.trace_id}")
    expect(page.locator(".wf-row")).to_have_count(7)


@pytest.mark.slow
def test_ten_thousand_spans_by_keyboard(
    server: RunningServer, open_page: Open, cpu_meter: Callable[[Page], Callable[[], float]]
) -> None:
    run = server.trace(600_000)
    root = run.span("alex.session.solve_task", 0, 500_000, alex__kind="session")
    for i in range(2500):
        at = 1 + i * 150
        one = run.span("alex.react.iteration", at, 140, parent=root, alex__kind="iteration",
                       alex__iteration=i + 1)  # fmt: skip
        run.llm(at + 1, 100, parent=one)
        run.tool("grep", at + 105, 10, parent=one, error="boom" if i == 2000 else "")
        run.tool("read_file", at + 118, 10, parent=one)
    run.send("large")
    page = open_page("#/traces?service=large")
    row = page.locator(f'[data-trace="{run.trace_id}"]')
    expect(row).to_be_visible()
    began = time.monotonic()
    row.click()
    current = page.locator(".wf-row.current")
    expect(current).to_have_attribute("data-span", run.spans[0]["spanId"])
    opened_s = time.monotonic() - began
    keys = (
        ("j", 1), ("j", 2), ("k", 1), ("ArrowDown", 2), ("ArrowLeft", 1), ("ArrowLeft", 1),
        ("j", 5), ("G", 10_000), ("g", 0), ("e", 8003),
    )  # fmt: skip
    cpu_ms = cpu_meter(page)
    for key, span in keys:
        page.keyboard.press(key)
        expect(current).to_have_attribute("data-span", f"{span + 1:016x}")
    per_key = cpu_ms() / len(keys)
    page.keyboard.press("g")
    page.keyboard.press("f")
    expect(current).not_to_have_attribute("data-span", run.spans[0]["spanId"])
    page.keyboard.press("b")
    expect(current).to_have_attribute("data-span", run.spans[0]["spanId"])
    cpu_ms = cpu_meter(page)
    frames = page.locator(".waterfall").evaluate(
        """async (node) => { let frames = 0;
        for (let top = 0; top < node.scrollHeight; top += 4000, frames++) {
          node.scrollTop = top; await new Promise(requestAnimationFrame); }
        return frames; }"""
    )
    assert frames > 50
    per_frame = cpu_ms() / frames
    assert per_key < 50
    assert per_frame < 50
    assert page.locator(".wf-row").count() < 100
    page.keyboard.press("Enter")
    expect(page.locator(".inspector")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".inspector")).to_have_count(0)
    assert opened_s < 3  # the goal is 1 s on a machine that does nothing else


def test_identical_siblings_fold_into_one_row(server: RunningServer, open_page: Open) -> None:
    run = server.trace()
    root = run.span("root", 0, 100)
    for i in range(7):
        run.tool("read_file", i, 1, parent=root)
    run.send("fold")
    page = open_page(f"#/traces/{run.trace_id}")
    expect(page.locator(".wf-row")).to_have_count(2)
    expect(page.locator(".is-fold")).to_contain_text("7\u00d7")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator(".wf-row")).to_have_count(9)


def test_hostile_names_are_text_everywhere(server: RunningServer, open_page: Open) -> None:
    run = server.trace()
    session = HOSTILE[0]
    root = run.span(HOSTILE[1], 0, 100, alex__session_id=session, alex__task=HOSTILE[0])
    for i, name in enumerate(HOSTILE):
        run.tool(name, i, 1, parent=root, alex__session_id=session,
                 **{"gen_ai.tool.call.arguments": name, name: name})  # fmt: skip
    parts = [{"type": "text", "content": HOSTILE[1]}, {"type": HOSTILE[0], "x": 1}]
    message = [{"role": HOSTILE[0], "parts": parts}]
    run.llm(10, 5, parent=root, model=HOSTILE[0], alex__session_id=session,
            **{"gen_ai.input.messages": json.dumps(message)})  # fmt: skip
    run.send(HOSTILE[0])
    server.log(HOSTILE[0], service=HOSTILE[1], traceId=run.trace_id, attributes={HOSTILE[0]: "x"})
    page = open_page(f"#/traces/{run.trace_id}")
    expect(page.locator(".wf-row")).to_have_count(6)
    for row in page.locator(".wf-row").all():
        row.click()
        expect(page.locator(".inspector").locator("h2")).to_be_visible()
    expect(page.locator(".waterfall")).to_contain_text("U+202E")
    session_path = page.evaluate("encodeURIComponent", session)
    for place in (f"#/sessions/{session_path}", "#/sessions", "#/logs", "#/costs", "#/health",
                  "#/overview", "#/traces"):  # fmt: skip
        page.goto(f"{server.url}/{place}")
        expect(page.locator("h1")).to_be_visible()
        expect(page.locator(".loading")).to_have_count(0)
        assert page.locator("main img, main script, main iframe").count() == 0
        assert "owned" not in page.title()


def test_the_policy_stops_markup_that_gets_in_by_other_ways(
    server: RunningServer, open_page: Open
) -> None:
    agent_run(server, "policy", "y-1")
    page = open_page("#/traces?service=policy", "Content Security Policy")
    expect(page.locator(".table-row")).to_have_count(1)
    violations = page.evaluate(
        """() => new Promise((done) => {
          const seen = [];
          document.addEventListener("securitypolicyviolation", (event) => {
            seen.push(event.effectiveDirective);
            if (seen.length === 2) done(seen);
          });
          const inline = document.createElement("script");
          inline.textContent = "document.title = 'owned'";
          document.body.append(inline);
          const handler = document.createElement("div");
          handler.innerHTML = "<img src=missing: onerror=\\"document.title='owned'\\">";
          document.body.append(handler);
          setTimeout(() => done(seen), 2000);
        })"""
    )
    assert violations
    assert all(one.startswith(("script-src", "img-src")) for one in violations)
    assert "owned" not in page.title()


def test_sessions_read_as_a_conversation(server: RunningServer, open_page: Open) -> None:
    agent_run(server, "talk", "s-talk")
    page = open_page("#/sessions?service=talk")
    row = page.locator(".table-row")
    expect(row).to_contain_text("task of s-talk")
    truth = server.get("/api/sessions/s-talk")
    row.click()
    expect(page.locator(".turn")).to_have_count(len(truth["turns"]))
    expect(page.locator(".turn").first).to_contain_text("Why does the test fail?")
    expect(page.locator(".turn-error")).to_contain_text("run_tests")
    expect(page.locator(".session-facts")).to_contain_text("600")
    page.get_by_role("button", name="Graph").click()
    expect(page.locator(".graph .node")).to_have_count(5)
    expect(page).to_have_url(re.compile("view=graph"))


def test_logs_are_searched_followed_and_lead_to_their_trace(
    server: RunningServer, open_page: Open
) -> None:
    run = agent_run(server, "lines", "l-1")
    for i in range(60):
        server.log(f"line {i}", service="lines", level=17 if i % 10 == 0 else 9,
                   traceId=run.trace_id, spanId=run.spans[0]["spanId"])  # fmt: skip
    page = open_page("#/logs?service=lines")
    expect(page.get_by_text("60 lines")).to_be_visible()
    page.get_by_role("button", name="error", exact=True).click()
    expect(page.locator(".log-line")).to_have_count(6)
    page.get_by_role("button", name="debug", exact=True).click()
    expect(page.get_by_text("line 59", exact=True)).to_be_visible()
    server.log("the tail has this", service="lines")
    expect(page.get_by_text("the tail has this", exact=True)).to_be_visible()
    page.locator(".logs").evaluate("(node) => { node.scrollTop = 0; }")
    expect(page.get_by_role("button", name="Follow")).to_be_visible()
    server.log("this does not move the reader", service="lines")
    expect(page.get_by_text("62 lines")).to_be_visible()
    assert page.locator(".logs").evaluate("(node) => node.scrollTop") < 100
    page.get_by_role("button", name="Follow").click()
    expect(page.get_by_text("this does not move the reader", exact=True)).to_be_visible()
    page.get_by_label("Search messages and fields").fill("line 42")
    expect(page.locator(".log-line")).to_have_count(1)
    page.locator(".log-line .go").click()
    expect(page).to_have_url(re.compile(f"#/traces/{run.trace_id}"))


def test_traces_come_in_live_and_stop_when_paused(server: RunningServer, open_page: Open) -> None:
    agent_run(server, "live", "v-1")
    page = open_page("#/traces?service=live")
    expect(page.locator(".table-row")).to_have_count(1)
    second = agent_run(server, "live", "v-2")
    expect(page.locator(".table-row")).to_have_count(2)
    page.locator(f'[data-trace="{second.trace_id}"]').click()
    expect(page.locator(".wf-row")).to_have_count(7)
    second.spans = second.spans[:]
    late = second.tool("late_tool", 4950, 10, parent=second.spans[0]["spanId"])
    second.spans = second.spans[-1:]
    second.send("live")
    expect(page.locator(f'.wf-row[data-span="{late}"]')).to_be_visible()
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Paused")).to_be_visible()
    agent_run(server, "live", "v-3")
    page.wait_for_timeout(1500)
    expect(page.locator(".trace-row")).to_have_count(2)
    page.keyboard.press("p")
    expect(page.locator(".trace-row")).to_have_count(3)


def test_costs_add_up_and_name_what_is_unpriced(server: RunningServer, open_page: Open) -> None:
    agent_run(server, "money", "m-1")
    truth = server.get("/api/costs?service=money")
    assert truth["total"]["unpriced_calls"] == 1
    page = open_page("#/costs?service=money")
    figures = page.locator(".figure")
    expect(figures.filter(has_text="Unpriced calls")).to_contain_text("1")
    expect(figures.filter(has_text="Priced calls").first).to_contain_text("1")
    expect(page.get_by_label("Unpriced", exact=True)).to_contain_text("home-made-model")
    expect(page.get_by_label("Who spent it")).to_contain_text("unpriced")
    page.get_by_label("Most expensive calls").get_by_role("link", name="gpt-4.1").click()
    expect(page.locator(".inspector")).to_contain_text("gpt-4.1")


def test_health_shows_the_books(server: RunningServer, open_page: Open) -> None:
    agent_run(server, "books", "h-1")
    page = open_page("#/health")
    expect(page.locator(".figure").filter(has_text="Spans")).to_contain_text("/s")
    expect(page.get_by_role("heading", name="What became of every record")).to_be_visible()


def test_an_empty_page_says_what_to_do_next(open_page: Open) -> None:
    page = open_page("#/traces?from=1000&to=2000")
    expect(page.get_by_role("heading", name="No trace matches")).to_be_visible()
    page = open_page("#/logs?q=nothing-says-this")
    expect(page.get_by_role("heading", name="No line matches")).to_be_visible()


def test_what_is_not_there_is_said_in_words(open_page: Open, server: RunningServer) -> None:
    page = open_page("#/sessions/none-of-this-name", "404 (Not Found)")
    expect(page.get_by_role("alert")).to_contain_text("is not here")


def test_keys_are_listed_and_pages_have_numbers(open_page: Open) -> None:
    page = open_page("#/overview")
    expect(page.locator("h1")).to_have_text("Overview")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Keys")).to_have_count(0)
    for key, title in (("2", "Traces"), ("4", "Logs"), ("6", "Health"), ("1", "Overview")):
        page.keyboard.press(key)
        expect(page.locator("h1")).to_have_text(title)
    page.keyboard.press("2")
    page.keyboard.press("/")
    expect(page.get_by_label("Search names, ids, errors, contents")).to_be_focused()


def test_a_server_with_a_token_asks_for_it_once(
    chromium: Browser, server: RunningServer, tmp_path: Path
) -> None:
    guarded = type(server)(tmp_path, token="open-sesame")
    try:
        page = chromium.new_page()
        page.goto(f"{guarded.url}/#/traces")
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Continue").click()
        page.get_by_label("Token").fill("open-sesame")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("heading", name="No traces in this time yet")).to_be_visible()
        for path, status in (("/api/traces", 401), ("/metrics", 401), ("/api/x.js", 401)):
            answer = chromium.new_context().request.get(f"{guarded.url}{path}")
            assert answer.status == status
        page.close()
    finally:
        guarded.stop()


def test_the_theme_follows_the_system_until_it_is_chosen(open_page: Open) -> None:
    page = open_page("#/overview")
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    assert dark != light
    page.keyboard.press("t")
    page.keyboard.press("t")
    assert page.evaluate(ground) == dark
    page.reload()
    assert page.evaluate(ground) == dark
