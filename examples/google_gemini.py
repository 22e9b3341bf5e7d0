"""Google GenAI: structured output, then a stream; thoughts are counted as output."""

from __future__ import annotations

from typing import Any

from google import genai
from pydantic import BaseModel

import alexobs
from alexobs.records import Usage
from alexobs.testing.provider import ScriptedProvider


class Planet(BaseModel):
    name: str
    moons: int


def main() -> None:
    obs = alexobs.init(logging={"stream": "stderr"})
    with ScriptedProvider() as provider:
        usage = Usage(input_tokens=40, output_tokens=90, reasoning_tokens=70)
        provider.structured({"name": "Saturn", "moons": 274}, usage=usage)
        provider.reply("It is the one with the rings.")

        options: Any = {"base_url": provider.google_url}
        client = obs.instrument(genai.Client(api_key="unused", http_options=options))
        with obs.session("answer a question"):
            answer = client.models.generate_content(
                model="gemini-3.8-flash",
                contents="Which planet has the most moons?",
                config={"response_mime_type": "application/json", "response_schema": Planet},
            )
            print(answer.parsed)
            for chunk in client.models.generate_content_stream(
                model="gemini-3.8-flash", contents="How do I find it in the sky?"
            ):
                print(chunk.text, end="", flush=True)
            print()
        client.close()


if __name__ == "__main__":
    main()
