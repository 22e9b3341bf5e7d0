"""No provider package: a model of your own, a registry of tools, and the log, all in one trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import alexobs


@dataclass
class Answer:
    text: str
    usage: dict[str, int]


class HouseModel:
    """Stands for any client of yours: what counts is a method called complete, chat or invoke."""

    model = "house-model-1"

    def complete(self, prompt: str) -> Answer:
        return Answer("multiply 6 7", {"input_tokens": len(prompt) // 4, "output_tokens": 4})


def multiply(a: int, b: int) -> int:
    return a * b


def divide(a: int, b: int) -> float:
    return a / b


def main() -> None:
    obs = alexobs.init(logging={"stream": "stderr"})
    model = obs.instrument(HouseModel(), usage=lambda answer: answer.usage)
    tools: dict[str, Any] = obs.instrument({"multiply": multiply, "divide": divide})
    with obs.session("six times seven", user_id="u-1"), obs.iteration(1):
        name, *numbers = model.complete("What is six times seven?").text.split()
        result = tools[name](*map(int, numbers))
        try:
            tools["divide"](result, 0)
        except ZeroDivisionError:
            obs.logger.exception("tool failed", tool="divide")
        with obs.span("answer.render", length=len(str(result))):
            print(f"The answer is {result}.")


if __name__ == "__main__":
    main()
