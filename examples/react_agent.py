"""A small ReAct agent that repairs a Python project, observed with alexobs.

    python examples/react_agent.py                       # no key: talks to a scripted provider
    OPENAI_API_KEY=... python examples/react_agent.py    # talks to OpenAI
    python examples/react_agent.py --provider anthropic --model claude-sonnet-5-5
    python examples/react_agent.py --base-url http://localhost:11434/v1 --model qwen3

In each iteration the model looks at files, edits them or runs the tests, until they pass.
All that observing needs is in the lines with `obs`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import alexobs
from alexobs.testing.demo import scripted_provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TASK = "The tests of the shopping cart fail. Find the reason and repair cart.py."
SYSTEM = (
    "You repair small Python projects. Use the tools to look at the files, edit them and run the "
    "tests. Change as little as possible, never change a test, and stop when the tests pass."
)
SUMMARY = "The tests pass. Tell in two sentences what was wrong and what you changed."
MODELS = {"openai": "gpt-5-mini", "anthropic": "claude-sonnet-5-5"}
MAX_ITERATIONS = 10

BUGGY_CODE = '''\
"""A shopping cart."""


def total(prices, discount_percent=0):
    """Return the sum of the prices, less a discount."""
    full = sum(prices)
    return full - full * discount_percent
'''
TESTS = """\
import unittest

from cart import total


class TotalTest(unittest.TestCase):
    def test_without_discount(self):
        self.assertEqual(total([10, 20]), 30)

    def test_with_discount(self):
        self.assertEqual(total([100, 100], discount_percent=10), 180)
"""


def parameters(**properties: str) -> dict[str, Any]:
    described = {name: {"type": "string", "description": text} for name, text in properties.items()}
    return {"type": "object", "properties": described, "required": list(properties)}


TOOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "list_files": ("List the files of the project.", parameters()),
    "read_file": ("Return a file's text.", parameters(path="Path in the project.")),
    "edit_file": (
        "Replace a text that occurs once in a file.",
        parameters(path="Path in the project.", old="Text to replace.", new="Replacement."),
    ),
    "run_tests": ("Run the tests and return what they print.", parameters()),
}


def make_tools(obs: Any, folder: Path) -> dict[str, Callable[..., str]]:
    def inside(path: str) -> Path:
        found = (folder / path).resolve()
        if not found.is_relative_to(folder.resolve()):
            raise PermissionError(f"{path} is outside the project")
        return found

    @obs.tool
    def list_files() -> str:
        return "\n".join(sorted(path.name for path in folder.glob("*.py")))

    @obs.tool
    def read_file(path: str) -> str:
        return inside(path).read_text(encoding="utf-8")

    @obs.tool
    def edit_file(path: str, old: str, new: str) -> str:
        text = inside(path).read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise ValueError(f"the text to replace occurs {text.count(old)} times in {path}")
        inside(path).write_text(text.replace(old, new), encoding="utf-8")
        return "done"

    @obs.tool
    def run_tests() -> str:
        command = [sys.executable, "-B", "-m", "unittest", "-q"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        return f"exit code {done.returncode}\n{done.stderr}"

    return {tool.__name__: tool for tool in (list_files, read_file, edit_file, run_tests)}


class ToolRequest(NamedTuple):
    id: str
    name: str
    arguments: dict[str, str]


class Model:
    def __init__(self, client: Any, model: str) -> None:
        self.client = client
        self.model = model
        self.messages: list[Any] = []

    def say(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})


class OpenAIModel(Model):
    def __init__(self, obs: Any, model: str, **options: Any) -> None:
        from openai import OpenAI  # noqa: PLC0415 - only the chosen provider's package is needed

        super().__init__(obs.instrument(OpenAI(**options)), model)
        self.messages = [{"role": "system", "content": SYSTEM}]
        functions = [
            {"name": name, "description": text, "parameters": schema}
            for name, (text, schema) in TOOLS.items()
        ]
        self.tools = [{"type": "function", "function": function} for function in functions]

    def decide(self) -> list[ToolRequest]:
        answer = self.client.chat.completions.create(
            model=self.model, messages=self.messages, tools=self.tools
        )
        message = answer.choices[0].message
        self.messages.append(message.model_dump(exclude_none=True))
        return [
            ToolRequest(call.id, call.function.name, json.loads(call.function.arguments))
            for call in message.tool_calls or []
        ]

    def tell(self, results: list[tuple[ToolRequest, str]]) -> None:
        for request, text in results:
            self.messages.append({"role": "tool", "tool_call_id": request.id, "content": text})

    def stream(self) -> Iterator[str]:
        asked = {"model": self.model, "messages": self.messages}
        usage = {"include_usage": True}
        for chunk in self.client.chat.completions.create(
            **asked, stream=True, stream_options=usage
        ):
            for choice in chunk.choices:
                yield choice.delta.content or ""


class AnthropicModel(Model):
    def __init__(self, obs: Any, model: str, **options: Any) -> None:
        from anthropic import Anthropic  # noqa: PLC0415

        super().__init__(obs.instrument(Anthropic(**options)), model)
        self.tools = [
            {"name": name, "description": text, "input_schema": schema}
            for name, (text, schema) in TOOLS.items()
        ]

    def decide(self) -> list[ToolRequest]:
        asked = {"model": self.model, "system": SYSTEM, "messages": self.messages}
        answer = self.client.messages.create(**asked, tools=self.tools, max_tokens=2000)
        content = [block.model_dump(exclude_none=True) for block in answer.content]
        self.messages.append({"role": "assistant", "content": content})
        return [
            ToolRequest(block.id, block.name, dict(block.input))
            for block in answer.content
            if block.type == "tool_use"
        ]

    def tell(self, results: list[tuple[ToolRequest, str]]) -> None:
        blocks = [
            {"type": "tool_result", "tool_use_id": request.id, "content": text}
            for request, text in results
        ]
        self.messages.append({"role": "user", "content": blocks})

    def stream(self) -> Iterator[str]:
        with self.client.messages.stream(
            model=self.model, max_tokens=500, system=SYSTEM, messages=self.messages
        ) as stream:
            yield from stream.text_stream


def solve(obs: Any, model: OpenAIModel | AnthropicModel, folder: Path, task: str = TASK) -> str:
    tools = make_tools(obs, folder)
    with obs.session(task):
        model.say(task)
        for number in range(1, MAX_ITERATIONS + 1):
            with obs.iteration(number):
                requests = model.decide()
                results = [(request, perform(tools, request)) for request in requests]
                model.tell(results)
                for request, text in results:
                    print(f"  {number}. {request.name}: {text.splitlines()[0] if text else ''}")
            if any(name == "run_tests" and "exit code 0" in text for (_, name, _), text in results):
                model.say(SUMMARY)
                return "".join(model.stream())
            if not requests:
                model.say("The tests do not pass yet.")
        raise RuntimeError(f"not solved in {MAX_ITERATIONS} iterations")


def perform(tools: dict[str, Callable[..., str]], request: ToolRequest) -> str:
    try:
        return tools[request.name](**request.arguments)
    except Exception as error:  # the model is told, and may do better
        return f"{type(error).__name__}: {error}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Repairs a small project; see the file's head.")
    parser.add_argument("--provider", choices=sorted(MODELS), default="openai")
    parser.add_argument("--model", help="default: " + ", ".join(MODELS.values()))
    parser.add_argument("--base-url", help="another endpoint that speaks the provider's API")
    options = parser.parse_args(arguments)
    obs = alexobs.init()
    with ExitStack() as cleanup:
        client: dict[str, Any] = {"base_url": options.base_url} if options.base_url else {}
        if not (options.base_url or os.environ.get(f"{options.provider.upper()}_API_KEY")):
            provider = cleanup.enter_context(scripted_provider())
            address = getattr(provider, f"{options.provider}_url")
            client = {"base_url": address, "api_key": "unused"}
            print("No API key: a scripted provider on this machine plays the model.")
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        (folder / "cart.py").write_text(BUGGY_CODE, encoding="utf-8")
        (folder / "test_cart.py").write_text(TESTS, encoding="utf-8")
        make = OpenAIModel if options.provider == "openai" else AnthropicModel
        model = make(obs, options.model or MODELS[options.provider], **client)
        cleanup.callback(model.client.close)
        print(f"Task: {TASK}")
        print(f"Solved: {solve(obs, model, folder)}")


if __name__ == "__main__":
    main()
