"""A thousand sessions at once, in every way that Python runs code: each span finds its place."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import openai
import pytest

from alexobs import Observability
from alexobs.context import current_span
from alexobs.instrumentation import packages
from alexobs.testing.provider import Failure, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from alexobs.session import Session
    from alexobs.testing.otlp import OTLPSink, ReceivedSpan
    from alexobs.testing.provider import ProviderRequest, ScriptedProvider

THREADED, CARRIED, ASYNC, GENERATED, STREAMED, TASKS = 300, 200, 250, 190, 40, 20
UNKNOWN_MODEL = "nobody-knows-it"
MESSAGES: Any = [{"role": "user", "content": "Hi"}]


class Expected(NamedTuple):
    """What the test itself knows of a span: written down where it was made."""

    name: str
    parent: str
    session_id: str
    run_id: str
    status: str


class Book:
    """The independent count: every span the test makes, and how many the client makes."""

    def __init__(self, obs: Observability) -> None:
        self.obs = obs
        self.spans: dict[str, Expected] = {}
        self.calls: Counter[tuple[str, str, str]] = Counter()  # parent, session, status

    def note(self, span: Any, parent: Any, session: Session, status: str = "success") -> None:
        over = "" if parent is None else f"{parent.span_id:016x}"
        expected = Expected(span.name, over, session.session_id, session.run_id, status)
        self.spans[f"{span.span_id:016x}"] = expected

    def note_call(self, parent: Any, session: Session, status: str) -> None:
        self.calls[f"{parent.span_id:016x}", session.session_id, status] += 1


@pytest.fixture
def obs(settings: dict[str, Any]) -> Iterator[Observability]:
    made = Observability(settings)
    yield made
    packages.uninstrument()
    made.shutdown()


def threaded(book: Book, number: int) -> None:
    """One plain thread: nested spans, a tool, and a failure in every fifth."""
    obs = book.obs
    failing = number % 5 == 0

    @obs.tool
    def work(above: Any) -> None:
        own = current_span()
        book.note(own, above, session)
        with obs.span("inside the tool") as inner:
            book.note(inner, own, session)

    session = obs.session(f"task {number}", session_id=f"thread-{number}")
    with contextlib.suppress(LookupError), session:
        book.note(session.span, None, session, "error" if failing else "success")
        for turn in (1, 2):
            with obs.iteration() as iteration:
                assert iteration.number == turn
                last = failing and turn == 2
                book.note(iteration.span, session.span, session, "error" if last else "success")
                work(iteration.span)
                if last:
                    raise LookupError("the model is lost")


def carried(book: Book, number: int, pool: concurrent.futures.Executor) -> None:
    """A session whose work goes on in other threads: executor, `carry`, and a bare thread."""
    obs = book.obs
    with obs.session("spread", session_id=f"carried-{number}") as session:
        book.note(session.span, None, session)

        def work() -> None:
            with obs.span("in a thread") as span:
                book.note(span, session.span, session)

        futures = [obs.executor(pool).submit(work) for _ in range(2)]
        thread = threading.Thread(target=obs.carry(work))
        thread.start()
        thread.join()
        concurrent.futures.wait(futures)
        for future in futures:
            future.result()


async def in_tasks(book: Book, number: int) -> None:
    """Tasks side by side below one session; one in three is cancelled in the middle."""
    obs = book.obs
    async with obs.session("tasks", session_id=f"async-{number}") as session:
        book.note(session.span, None, session)
        gate = asyncio.Event()

        async def turn(n: int, *, stuck: bool) -> None:
            status = "cancelled" if stuck else "success"
            async with obs.iteration(n) as iteration:
                book.note(iteration.span, session.span, session, status)
                await asyncio.sleep(0)
                if stuck:
                    gate.set()
                    await asyncio.Event().wait()
                await asyncio.to_thread(in_thread, iteration.span)

        def in_thread(parent: Any) -> None:
            with obs.span("to_thread") as span:
                book.note(span, parent, session)

        tasks = [asyncio.create_task(turn(n, stuck=n == 3)) for n in (1, 2, 3)]
        await gate.wait()
        tasks[2].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(done[2], asyncio.CancelledError)


async def generated(book: Book, number: int) -> None:
    """Async generators as tools: read to the end, left early, or thrown away unread."""
    obs = book.obs
    way = ("read", "left", "dropped")[number % 3]

    async def numbers() -> AsyncGenerator[int, None]:
        for value in range(3):
            await asyncio.sleep(0)
            yield value

    async with obs.session("generator", session_id=f"generator-{number}") as session:
        book.note(session.span, None, session)
        stream = obs.tool(numbers)()
        if way == "dropped":
            await anext(stream)
            del stream
        else:
            async for _ in stream:
                with obs.span("beside the stream") as span:  # the stream's span is not current
                    book.note(span, session.span, session)
                if way == "left":
                    break
            if way == "left":
                await stream.aclose()
        status = "success" if way == "read" else "cancelled"
        book.note_call(session.span, session, status)


def streamed(book: Book, number: int, client: openai.OpenAI) -> None:
    """The real client: whole streams, abandoned ones, failing and plain calls."""
    obs = book.obs
    way = number % 4
    status = ("success", "cancelled", "error", "success")[way]
    model = "gpt-5-mini" if way != 2 else UNKNOWN_MODEL
    with obs.session("chat", session_id=f"chat-{number}") as session:
        book.note(session.span, None, session)
        with obs.iteration() as iteration:
            book.note(iteration.span, session.span, session)
            create = client.chat.completions.create
            with contextlib.suppress(openai.NotFoundError):
                if way == 3:
                    create(model=model, messages=MESSAGES)
                else:
                    stream = create(model=model, messages=MESSAGES, stream=True)
                    for _ in stream:
                        if way == 1:
                            break
                    if number % 8 == 1:
                        stream.close()
                    else:
                        del stream
            book.note_call(iteration.span, session, status)


async def streamed_in_tasks(book: Book, number: int, client: openai.AsyncOpenAI) -> None:
    """The real async client: a stream that is read, and one whose task is cancelled."""
    obs = book.obs
    async with obs.session("chat", session_id=f"achat-{number}") as session:
        book.note(session.span, None, session)
        begun = asyncio.Event()

        async def read(*, forever: bool) -> None:
            stream = await client.chat.completions.create(
                model="gpt-5-mini", messages=MESSAGES, stream=True
            )
            async for _ in stream:
                if forever:
                    begun.set()
                    await asyncio.Event().wait()

        cancelled = asyncio.create_task(read(forever=True))
        whole = asyncio.create_task(read(forever=False))
        await whole
        await begun.wait()
        cancelled.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cancelled
        book.note_call(session.span, session, "success")
        book.note_call(session.span, session, "cancelled")


def run_everything(book: Book, provider: ScriptedProvider) -> None:
    def in_threads() -> None:
        with concurrent.futures.ThreadPoolExecutor(8) as pool, inner:
            waiting = [pool.submit(threaded, book, n) for n in range(THREADED)]
            waiting += [pool.submit(carried, book, n, inner) for n in range(CARRIED)]
            waiting += [pool.submit(streamed, book, n, client) for n in range(STREAMED)]
            for one in waiting:
                one.result()

    async def in_loop() -> None:
        async with openai.AsyncOpenAI(base_url=provider.openai_url, api_key="unused") as aclient:
            await asyncio.gather(
                *(in_tasks(book, n) for n in range(ASYNC)),
                *(generated(book, n) for n in range(GENERATED)),
                *(streamed_in_tasks(book, n, aclient) for n in range(TASKS)),
            )
            gc.collect()
            await asyncio.sleep(0.05)  # the loop closes the generators that were dropped

    inner = concurrent.futures.ThreadPoolExecutor(4)
    with openai.OpenAI(base_url=provider.openai_url, api_key="unused", max_retries=0) as client:
        thread = threading.Thread(target=in_threads)
        thread.start()
        asyncio.run(in_loop())
        thread.join()
    gc.collect()


def status_of(span: ReceivedSpan) -> str:
    said = span.attributes.get("alex.status")
    return str(said) if said else {2: "error"}.get(span.status_code, "success")


def test_every_span_of_a_thousand_sessions_arrives_once_in_its_place(
    obs: Observability, sink: OTLPSink, provider: ScriptedProvider
) -> None:
    def decide(request: ProviderRequest) -> Reply | Failure:
        if request.model == UNKNOWN_MODEL:
            return Failure(404)
        return Reply("one two three four five six", chunk_chars=4)

    provider.replies_by(decide)
    packages.instrument("openai", obs=obs)
    book = Book(obs)
    run_everything(book, provider)
    assert obs.flush(30.0)

    received = {span.span_id: span for span in sink.spans()}
    assert len(received) == len(sink.spans()), "a span arrived twice"
    sessions = THREADED + CARRIED + ASYNC + GENERATED + STREAMED + TASKS
    assert sessions == 1000
    assert len(sink.spans("alex.session.solve_task")) == sessions

    for span_id, expected in book.spans.items():
        span = received[span_id]
        found = Expected(
            span.name,
            span.parent_span_id,
            str(span.attributes["alex.session_id"]),
            str(span.attributes["alex.run_id"]),
            status_of(span),
        )
        assert found == expected
    calls = [span for span_id, span in received.items() if span_id not in book.spans]
    found_calls = Counter(
        (span.parent_span_id, str(span.attributes["alex.session_id"]), status_of(span))
        for span in calls
    )
    assert found_calls == book.calls

    health = obs.health()
    account = health.signals["traces"]
    assert health.balanced
    assert account.created == account.exported == len(book.spans) + book.calls.total()
    assert (account.waiting, account.sampled_out, dict(account.dropped)) == (0, 0, {})
    assert health.signals["logs"].exported == len(sink.logs()) > book.calls.total()
    assert health.faults == {}
    assert health.open_spans == 0
