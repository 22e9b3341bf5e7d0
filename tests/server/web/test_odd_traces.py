"""Traces that are no tree, and values of megabytes, in the browser."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningServer
    from playwright.sync_api import Page

    Open = Callable[..., Page]


def test_a_trace_without_a_root_and_one_in_a_circle_show_every_span(
    server: RunningServer, open_page: Open
) -> None:
    orphan = server.trace()
    orphan.span("left behind", 0, 10, parent="00000000000000ff")
    orphan.span("left behind too", 5, 10, parent="00000000000000ff")
    orphan.send("odd")
    circle = server.trace()
    circle.span("first", 0, 10, parent=f"{2:016x}")
    circle.span("second", 1, 10, parent=f"{3:016x}")
    circle.span("third", 2, 10, parent=f"{1:016x}")
    circle.span("by itself", 3, 10, parent=f"{4:016x}")
    circle.send("odd")
    for run, count in ((orphan, 2), (circle, 4)):
        page = open_page(f"#/traces/{run.trace_id}")
        expect(page.locator(".wf-row")).to_have_count(count)
        page.keyboard.press("j")
        expect(page.locator(".wf-row.current")).to_have_count(1)


@pytest.mark.slow
def test_ten_megabytes_in_a_message_do_not_stop_the_page(
    server: RunningServer, open_page: Open
) -> None:
    run = server.trace()
    text = "word " * 2_000_000
    message = [{"role": "user", "parts": [{"type": "text", "content": text}]}]
    root = run.span("root", 0, 100, note="x" * 10_000_000)
    call = run.llm(1, 10, parent=root, **{"gen_ai.input.messages": json.dumps(message)})
    run.send("megabytes")
    page = open_page(f"#/traces/{run.trace_id}?span={call}")
    expect(page.locator(".inspector")).to_contain_text("word word", timeout=15_000)
    assert page.evaluate("document.querySelector('.inspector').textContent.length") < 1_000_000
    page.locator(".wf-row", has_text="root").click()
    expect(page.locator(".inspector h2")).to_contain_text("root", timeout=15_000)
    page.locator(".inspector").get_by_role("tab", name="Attributes").click()
    expect(page.locator(".inspector")).to_contain_text("xxxx", timeout=15_000)
    page.goto(f"{server.url}/#/traces?service=megabytes")
    expect(page.locator(".table-row")).to_have_count(1)
