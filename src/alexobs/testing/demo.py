"""The script by which the scripted provider plays the model in ``examples/react_agent.py``.

It solves the example's task as a model would: it looks, tries a wrong repair first, sees the test
fail, and tries again. Usage shows a prompt that is cached from the second call on.
"""

from __future__ import annotations

from pathlib import Path

from alexobs.records import Usage
from alexobs.testing.provider import ScriptedProvider
from alexobs.testing.script import ToolCall

BUG = "full - full * discount_percent"
WRONG = "full - discount_percent"
RIGHT = "full - full * discount_percent / 100"
SUMMARY = (
    "The discount is given in percent, but the code took it as a fraction, so that 10 % off "
    "became ten times the price off. It is now divided by 100."
)


def scripted_provider(*, pace_s: float = 0.0) -> ScriptedProvider:
    """Return a running provider that will solve the example's task.

    Args:
        pace_s: seconds that each answer takes, to look at it while it runs.
    """
    provider = ScriptedProvider()
    pace = {"first_byte_after_s": pace_s}
    provider.tool_calls(
        [ToolCall("list_files"), ToolCall("run_tests")],
        reasoning="First I look at what there is, and whether the tests run at all.",
        usage=Usage(input_tokens=1_412, output_tokens=78, reasoning_tokens=32),
        **pace,
    )
    provider.fail(429, retry_after_s=0.2)
    provider.tool_call(
        "read_file",
        {"path": "cart.py"},
        usage=Usage(input_tokens=1_689, output_tokens=22, cache_read_tokens=1_408),
        **pace,
    )
    provider.tool_calls(
        [
            ToolCall("edit_file", {"path": "cart.py", "old": BUG, "new": WRONG}),
            ToolCall("run_tests"),
        ],
        reasoning="The discount comes out far too large. Perhaps it is to be taken off as it is.",
        usage=Usage(
            input_tokens=1_823, output_tokens=167, cache_read_tokens=1_664, reasoning_tokens=96
        ),
        **pace,
    )
    provider.tool_calls(
        [
            ToolCall("edit_file", {"path": "cart.py", "old": WRONG, "new": RIGHT}),
            ToolCall("run_tests"),
        ],
        reasoning="190 instead of 180: the discount is a percentage of the sum.",
        usage=Usage(
            input_tokens=2_214, output_tokens=141, cache_read_tokens=1_792, reasoning_tokens=64
        ),
        **pace,
    )
    return provider.reply(
        SUMMARY,
        usage=Usage(input_tokens=2_490, output_tokens=46, cache_read_tokens=2_176),
        chunk_chars=12,
        **pace,
    )


def agent_path() -> Path:
    """Return the example agent's file: packed beside this module, or in a checkout's examples."""
    packed = Path(__file__).with_name("react_agent.py")
    return packed if packed.exists() else Path(__file__).parents[3] / "examples" / packed.name
