from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from alexobs.context import current_context
from alexobs.instrumentation import packages
from alexobs.testing.capture import Capture

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def capture() -> Iterator[Capture]:
    with Capture(logging={"enabled": False}) as made:
        packages.instrument("threading", obs=made.obs)
        try:
            yield made
        finally:
            packages.uninstrument()


def parents(capture: Capture) -> dict[str, str]:
    spans = capture.spans()
    names = {span.span_id: span.name for span in spans}
    return {span.name: names.get(span.parent_span_id, "") for span in spans}


def test_threads_and_tasks_of_pools_run_in_the_session_they_come_from(capture: Capture) -> None:
    class Own(threading.Thread):
        def run(self) -> None:
            work("own")

    def work(name: str) -> str:
        with capture.obs.span(name):
            return name

    async def in_executor() -> str:
        return await asyncio.get_running_loop().run_in_executor(None, work, "in_executor")

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work, "before").result()
        with capture.obs.session("s"), capture.obs.span("outer"):
            threads = [threading.Thread(target=work, args=("plain",)), Own()]
            threads.append(threading.Timer(0, work, ("timer",)))
            for thread in threads:
                thread.start()
                thread.join()
            assert pool.submit(work, "pooled").result() == "pooled"
            assert list(pool.map(work, ["mapped"])) == ["mapped"]
            assert asyncio.run(in_executor()) == "in_executor"
        pool.submit(work, "after").result()
    found = parents(capture)
    inside = {name for name, parent in found.items() if parent == "outer"}
    assert inside == {"plain", "own", "timer", "pooled", "mapped", "in_executor"}
    assert found["before"] == found["after"] == ""


def test_a_thread_and_a_future_are_as_they_were(capture: Capture) -> None:
    seen: list[Any] = []
    with capture.obs.session("s"):
        thread = threading.Thread(target=lambda: seen.append(vars(threading.current_thread())))
        thread.start()
        thread.join()
        assert "run" not in seen[0]
        with pytest.raises(RuntimeError, match="threads can only be started once"):
            thread.start()
        assert "run" not in vars(thread)
        with ThreadPoolExecutor() as pool:
            failed = pool.submit(int, "x")
            assert isinstance(failed.exception(), ValueError)
            assert pool.submit(dict, fn=1, context=2).result() == {"fn": 1, "context": 2}


def test_what_was_asked_for_can_be_taken_back(capture: Capture) -> None:
    patched = threading.Thread.start
    packages.uninstrument("threading")
    assert threading.Thread.start is not patched
    seen: list[Any] = []
    with capture.obs.session("s"):
        thread = threading.Thread(target=lambda: seen.append(dict(current_context())))
        thread.start()
        thread.join()
    assert seen == [{}]


def test_it_is_not_among_what_is_instrumented_unasked(capture: Capture) -> None:
    packages.uninstrument()
    assert "threading" not in packages.instrument(obs=capture.obs)
