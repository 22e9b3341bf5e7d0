"""Three agents at once in one event loop: each call lands in the session it belongs to."""

from __future__ import annotations

import asyncio

import openai

import alexobs
from alexobs.testing.provider import ProviderRequest, ScriptedProvider

CITIES = ("Bern", "Lima", "Oslo")


async def main() -> None:
    obs = alexobs.init(logging={"stream": "stderr"})
    with ScriptedProvider() as provider:
        provider.replies_by(weather)
        client = obs.instrument(openai.AsyncOpenAI(base_url=provider.openai_url, api_key="unused"))

        @obs.tool
        async def look_up(city: str) -> str:
            await asyncio.sleep(0.01)
            return f"station of {city}"

        async def agent(city: str) -> str:
            async with obs.session(f"weather in {city}"), obs.iteration(1):
                station = await look_up(city)
                asked = {"role": "user", "content": f"The weather at the {station}?"}
                answer = await client.chat.completions.create(model="gpt-5-mini", messages=[asked])
                return str(answer.choices[0].message.content)

        async with client:
            for answer in await asyncio.gather(*map(agent, CITIES)):
                print(answer)


def weather(request: ProviderRequest) -> str:
    asked = request.json["messages"][-1]["content"]
    return f"Sunny. ({asked})"


if __name__ == "__main__":
    asyncio.run(main())
