"""Streams: read to the end, left early, and cut by the network; each span tells which it was."""

from __future__ import annotations

import openai

import alexobs
from alexobs.testing.provider import ScriptedProvider

ASKED = {
    "model": "gpt-5-mini",
    "messages": [{"role": "user", "content": "Count to five."}],
    "stream": True,
    "stream_options": {"include_usage": True},
}


def main() -> None:
    obs = alexobs.init(logging={"stream": "stderr"})
    with ScriptedProvider() as provider:
        provider.reply("one two three four five", chunk_chars=4, chunk_every_s=0.01)
        provider.reply("one two three four five", chunk_chars=4)
        provider.cut_after(3, "one two three four five", chunk_chars=4)

        client = obs.instrument(openai.OpenAI(base_url=provider.openai_url, api_key="unused"))
        with client, obs.session("count"):
            for chunk in client.chat.completions.create(**ASKED):  # status: success
                for choice in chunk.choices:
                    print(choice.delta.content or "", end="", flush=True)
            print()

            with client.chat.completions.create(**ASKED) as stream:  # status: cancelled
                next(stream)
                print("enough")

            try:
                list(client.chat.completions.create(**ASKED))  # status: error
            except openai.APIConnectionError as error:
                print(f"cut: {error}")


if __name__ == "__main__":
    main()
