"""Anthropic: a plain call, a streamed one with a helper, and prompt caching in the cost."""

from __future__ import annotations

import anthropic

import alexobs
from alexobs.records import Usage
from alexobs.testing.provider import ScriptedProvider

QUESTION = {"role": "user", "content": "Which planet has the most moons?"}


def main() -> None:
    obs = alexobs.init(logging={"stream": "stderr"})
    with ScriptedProvider() as provider:
        cached = Usage(input_tokens=2_000, output_tokens=12, cache_write_tokens=1_800)
        provider.reply("Saturn, with 274 known moons.", usage=cached)
        cached = Usage(input_tokens=2_000, output_tokens=12, cache_read_tokens=1_800)
        provider.reply("Saturn, with 274 known moons.", usage=cached)

        client = obs.instrument(
            anthropic.Anthropic(base_url=provider.anthropic_url, api_key="unused")
        )
        asked = {"model": "claude-sonnet-5-5", "max_tokens": 100, "messages": [QUESTION]}
        with client, obs.session("answer a question"):
            print(client.messages.create(**asked).content[0].text)
            with client.messages.stream(**asked) as stream:
                for text in stream.text_stream:
                    print(text, end="", flush=True)
            print()


if __name__ == "__main__":
    main()
