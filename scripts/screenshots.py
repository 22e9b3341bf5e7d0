"""Take the pictures of the documentation from the running page.

    apt-get install chromium && pip install playwright && python scripts/screenshots.py

Starts a server on free ports with a store of its own, lets agents with scripted answers work
against it, and photographs each page, light and dark, into docs/pictures/.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from playwright.sync_api import sync_playwright

import alexobs
from alexobs.server.app import Server, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from alexobs import Observability

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
SIZE = {"width": 1440, "height": 900}
TASKS = (
    "The tests of the shopping cart fail. Find the reason and repair cart.py.",
    "Why is the nightly build slow since Tuesday?",
    "Write the release notes for version 2.4",
    "Answer the customer who asks for a refund",
    "Which of our libraries have known security holes?",
)
AGENTS = ("planner", "coder", "researcher")
MODELS = ("gpt-5-mini", "claude-sonnet-4-5", "gemini-2.5-flash", "house-model-1")
PROVIDERS = dict(zip(MODELS, ("openai", "anthropic", "gcp.gemini", "in-house"), strict=True))
TOOLS = ("read_file", "search_web", "run_tests", "edit_file", "list_files")
PROMPT = "You work in small steps, look before you change anything, and stop when the tests pass."


class ScriptedModel:
    """Answers like a model: a thought and a call of a tool, after a while, with its usage."""

    def __init__(self, name: str, chance: random.Random, pace: float) -> None:
        self.model = name
        self._chance = chance
        self._pace = pace

    def complete(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """Return an answer with its usage."""
        time.sleep(self._pace * self._chance.uniform(0.02, 0.25))
        tokens = 900 + 350 * len(messages)
        cached = int(tokens * self._chance.uniform(0.3, 0.8))
        return {
            "content": "The rate of tax is fixed at 19 %, but books have 7 %. "
            "I look the rate up by category, then run the tests again.",
            "usage": {
                "input_tokens": tokens,
                "output_tokens": self._chance.randint(60, 420),
                "cache_read_tokens": cached,
            },
        }


def work(obs: Observability, number: int, pace: float = 1) -> None:
    """One session of an agent: a few iterations of a model call and some tools."""
    chance = random.Random(number)
    model = obs.instrument(ScriptedModel(chance.choice(MODELS), chance, pace))
    tools = {name: obs.tool(tool(name, chance)) for name in TOOLS}
    task = TASKS[number % len(TASKS)]
    messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": task}]
    agent = AGENTS[number % len(AGENTS)]
    with obs.session(task, user_id=f"user-{number % 4}", agent=agent):
        for iteration in range(1, chance.randint(3, 6)):
            with obs.iteration(iteration):
                answer = model.complete(list(messages))
                messages.append({"role": "assistant", "content": answer["content"]})
                obs.logger.info("model answered", tokens=answer["usage"]["output_tokens"])
                use_tools(obs, chance, tools)


def use_tools(obs: Observability, chance: random.Random, tools: dict[str, Any]) -> None:
    """Call one to three tools, or read many files."""
    many = chance.random() < 0.3
    for name in ["read_file"] * 8 if many else chance.sample(TOOLS, chance.randint(1, 3)):
        try:
            tools[name](path=f"shop/{chance.choice(('cart', 'tax', 'order'))}.py")
        except TimeoutError as error:
            obs.logger.warning("tool failed", tool=name, reason=str(error))


def tool(name: str, chance: random.Random) -> Any:
    """Return a function called `name` that takes a while and sometimes fails."""

    def call(path: str) -> str:
        time.sleep(chance.uniform(0.002, 0.08))
        if chance.random() < 0.06:
            raise TimeoutError(f"{name} took longer than 30 s")
        return f"# {path}, by ada@example.org\ndef total(items):\n    return sum(items)"

    call.__name__ = call.__qualname__ = name
    return call


def observe(url: str, sessions: int) -> Observability:
    """Let agents work side by side until all have finished and everything is delivered."""
    obs = alexobs.init(
        service_name="support-agent",
        tracing={"otlp_endpoint": url},
        metrics={"prometheus": False, "export_interval_s": 1.0},
        logging={"stream": "stderr", "level": "info"},
    )
    workers = [threading.Thread(target=work, args=(obs, i)) for i in range(sessions)]
    for worker in workers:
        worker.start()
        time.sleep(0.15)
    for worker in workers:
        worker.join()
    obs.flush(timeout_s=10)
    return obs


@contextmanager
def agents_at_work(obs: Observability, count: int) -> Iterator[None]:
    """Some agents go on, session after session."""
    done = threading.Event()

    def go_on(first: int) -> None:
        for number in range(first, first + 1_000, count):
            if done.is_set():
                return
            work(obs, number, pace=15)

    workers = [threading.Thread(target=go_on, args=(100 + place,)) for place in range(count)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        done.set()
        for worker in workers:
            worker.join()
        obs.shutdown(timeout_s=10)


def history(url: str) -> None:
    """Send sessions of the past two weeks, most of them of the last quarter of an hour."""
    now = time.time()
    for number in range(150):
        chance = random.Random(number)
        ago_s = chance.uniform(5, 880) if number < 90 else chance.uniform(900, 14 * 86_400)
        post(url, past_session(number, chance, now - ago_s))


def past_session(number: int, chance: random.Random, start_s: float) -> list[dict[str, Any]]:
    """Return the spans of one session as OTLP/JSON has them."""
    spans: list[dict[str, Any]] = []
    model = chance.choice(MODELS)
    trace_id = f"{chance.getrandbits(128):032x}"
    ids = {
        "alex.session_id": f"session-{number:04d}", "alex.task": TASKS[number % len(TASKS)],
        "alex.agent": AGENTS[number % 3], "alex.user_id": f"user-{number % 4}",
    }  # fmt: skip

    def span(name: str, begin_s: float, length_s: float, parent: str, **more: Any) -> str:
        values = ids | {key.replace("__", "."): value for key, value in more.items()}
        own = f"{len(spans) + 1:016x}"
        failed = chance.random() < (0.03 if parent else 0.08)
        spans.append({
            "traceId": trace_id, "spanId": own, "parentSpanId": parent,
            "name": name, "kind": 3 if "llm" in name else 1,
            "startTimeUnixNano": str(int(begin_s * 1e9)),
            "endTimeUnixNano": str(int((begin_s + length_s) * 1e9)),
            "attributes": [{"key": key, "value": {"stringValue": value} if isinstance(value, str)
                            else {"intValue": str(value)}} for key, value in values.items()],
            "status": {"code": 2, "message": "took longer than 30 s"} if failed else {},
        })  # fmt: skip
        return own

    length_s = chance.uniform(3, 30)
    root = span("alex.session.solve_task", start_s, length_s, "", alex__kind="session")
    steps = chance.randint(2, 7)
    for i in range(steps):
        at, step_s = start_s + length_s * i / steps, length_s / steps
        one = span("alex.react.iteration", at, step_s * 0.98, root, alex__kind="iteration",
                   alex__iteration=i + 1)  # fmt: skip
        tokens = chance.randint(1200, 9000)
        span("alex.llm.generate", at, step_s * chance.uniform(0.3, 0.6), one,
             gen_ai__operation__name="chat", gen_ai__request__model=model,
             gen_ai__usage__input_tokens=tokens, gen_ai__usage__output_tokens=tokens // 12,
             gen_ai__usage__cache_read__input_tokens=int(tokens * chance.uniform(0, 0.7)),
             gen_ai__provider__name=PROVIDERS[model])  # fmt: skip
        for _ in range(chance.randint(0, 3)):
            span("alex.tool.execute", at + step_s * 0.65, step_s * chance.uniform(0.05, 0.3), one,
                 gen_ai__operation__name="execute_tool",
                 gen_ai__tool__name=chance.choice(TOOLS))  # fmt: skip
    return spans


def post(url: str, spans: list[dict[str, Any]]) -> None:
    """Send spans over OTLP/HTTP."""
    service = {"key": "service.name", "value": {"stringValue": "support-agent"}}
    body = {"resourceSpans": [{"resource": {"attributes": [service]},
            "scopeSpans": [{"scope": {"name": "demo"}, "spans": spans}]}]}  # fmt: skip
    headers = {"content-type": "application/json"}
    request = Request(f"{url}/v1/traces", json.dumps(body).encode(), headers)
    with urlopen(request, timeout=10):
        pass


def places(url: str) -> Iterator[tuple[str, str]]:
    """Return the name of each picture and the place of the page that it shows."""

    def get(path: str) -> Any:
        with urlopen(f"{url}{path}") as answer:
            return json.load(answer)

    found = get("/api/traces?sort=spans&limit=20&min_cost_usd=0")["traces"]
    trace = next(one for one in found if one["session_id"] and len(one["session_id"]) == 32)
    columns = get(f"/api/traces/{trace['trace_id']}")["columns"]
    call = columns["span_id"][columns["kind"].index("llm")]
    yield "overview", "#/overview"
    yield "traces", "#/traces"
    yield "trace", f"#/traces/{trace['trace_id']}?span={call}"
    yield "sessions", "#/sessions"
    yield "session", f"#/sessions/{trace['session_id']}"
    yield "graph", f"#/sessions/{trace['session_id']}?view=graph"
    yield "logs", "#/logs"
    yield "costs", "#/costs"
    yield "health", "#/health"


def photograph(browser: Browser, url: str, theme: Any) -> None:
    """Write one picture per page in one theme."""
    page = browser.new_page(viewport=SIZE, color_scheme=theme)  # type: ignore[arg-type]
    for name, place in places(url):
        page.goto(f"{url}/{place}")
        page.wait_for_timeout(1500)
        page.screenshot(path=PICTURES / f"{name}-{theme}.png")
    page.close()


def main() -> int:
    """Take all pictures."""
    if CHROMIUM is None:
        print("There is no Chromium: apt-get install chromium", file=sys.stderr)
        return 1
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Settings(data_dir=Path(folder), grpc_port=0, http_port=0, web_port=0))
        ready = threading.Event()
        thread = threading.Thread(target=lambda: server.run(ready=ready.set))
        thread.start()
        ready.wait(20)
        try:
            otlp = f"http://127.0.0.1:{server.port('http')}"
            history(otlp)
            obs = observe(otlp, sessions=8)
            with sync_playwright() as playwright, agents_at_work(obs, 3):
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                for theme in ("light", "dark"):
                    photograph(browser, f"http://127.0.0.1:{server.port('web')}", theme)
                browser.close()
        finally:
            server.stop()
            thread.join()
    print(f"{PICTURES}: {len(list(PICTURES.glob('*.png')))} pictures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
