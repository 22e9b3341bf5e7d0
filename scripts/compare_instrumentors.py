"""Compares our spans with those of OpenTelemetry's own GenAI instrumentations, call by call.

    python scripts/compare_instrumentors.py            writes docs/comparison/instrumentors.md

Every recorded request that the cassette harness can replay is made twice, through the same
versions of the provider packages: observed by the official instrumentations, and by alexobs.
The official ones live in a virtual environment outside the tree (`--cache`, made when absent).
Exit code: 0 every difference is explained, 1 some is not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import venv
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "comparison" / "instrumentors.md"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "alexobs"
THEIRS = {
    "openai": "opentelemetry-instrumentation-genai-openai",
    "anthropic": "opentelemetry-instrumentation-genai-anthropic",
    "google-genai": "opentelemetry-instrumentation-google-genai",
}
BOUNDS = {"google-genai": "<3"}  # what the official instrumentation takes part with
VOLATILE = ("gen_ai.response.time_to_first_chunk", "server.port")  # differ from run to run
NEEDED = ("genai-prices", "msgspec", "opentelemetry-sdk", "PyYAML", "urllib3>=2")
SETTINGS = {
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only",
    "OTEL_SDK_DISABLED": "",
}
JSON_ATTRIBUTES = (
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
)

Spans = dict[str, list[dict[str, Any]]]  # call → spans' attributes, with name, kind and status


class Difference(NamedTuple):
    """What differs in one attribute of one provider's calls."""

    provider: str
    attribute: str
    how: str  # "only ours", "only theirs", "differs"


class Found(NamedTuple):
    """All calls with one difference."""

    calls: list[str]
    ours: Any
    theirs: Any


# -- the two sides, in a process each ----------------------------------------------------------


def observe(side: str) -> None:
    """Print the spans of every call as JSON."""
    sys.path.insert(0, str(ROOT / "tests" / "cassettes"))
    from harness.calls import each_pass  # noqa: PLC0415 - there in the other environment only
    from harness.recording import RECORDINGS, recordings  # noqa: PLC0415
    from harness.replay import Replay, read  # noqa: PLC0415

    take = _take_theirs() if side == "theirs" else _take_ours()
    spans: Spans = {}
    with Replay() as replay:
        for file in recordings():
            items, _ = read(file)
            for item, way in next(each_pass(items), []):
                replay.play(items, [(item, way)], replay.bare)
                name = f"{file.relative_to(RECORDINGS)}#{item.number}"
                spans[f"{way.target.provider} {name}"] = take()
    json.dump(spans, sys.stdout)


def _take_theirs() -> Any:
    from opentelemetry.instrumentation.genai.anthropic import (  # type: ignore[import-not-found] # noqa: PLC0415, I001
        AnthropicInstrumentor,
    )
    from opentelemetry.instrumentation.genai.openai import (  # type: ignore[import-not-found] # noqa: PLC0415
        OpenAIInstrumentor,
    )
    from opentelemetry.instrumentation.google_genai import (  # type: ignore[import-not-found] # noqa: PLC0415
        GoogleGenAiSdkInstrumentor,
    )
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: PLC0415
        InMemorySpanExporter,
    )

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    for instrumentor in (AnthropicInstrumentor, OpenAIInstrumentor, GoogleGenAiSdkInstrumentor):
        instrumentor().instrument()

    def take() -> list[dict[str, Any]]:
        found = [
            {
                **dict(span.attributes or {}),
                "(span kind)": span.kind.name.lower(),
                "(status)": span.status.status_code.name.lower(),
                "(name)": span.name,
            }
            for span in exporter.get_finished_spans()
            if span.instrumentation_scope
            and span.instrumentation_scope.name.startswith("opentelemetry.")
        ]
        exporter.clear()
        return found

    return take


def _take_ours() -> Any:
    from alexobs.instrumentation import packages  # noqa: PLC0415
    from alexobs.testing.capture import Capture  # noqa: PLC0415

    capture = Capture(logging={"enabled": False}, redaction={"enabled": False})
    packages.instrument(obs=capture.obs)
    kinds = ("internal", "server", "client", "producer", "consumer")
    statuses = ("unset", "ok", "error")

    def take() -> list[dict[str, Any]]:
        found = [
            {
                **span.attributes,
                "(span kind)": kinds[int(span.kind) - 1],
                "(status)": statuses[int(span.status_code)],
                "(name)": span.name,
            }
            for span in capture.spans()
        ]
        capture.clear()
        return found

    return take


# -- comparing ---------------------------------------------------------------------------------


def differences(ours: Spans, theirs: Spans) -> dict[Difference, Found]:
    """Return what differs, by provider and attribute."""
    found: dict[Difference, Found] = {}

    def note(call: str, attribute: str, how: str, our: Any, their: Any) -> None:
        key = Difference(call.partition(" ")[0], attribute, how)
        found.setdefault(key, Found([], our, their)).calls.append(call)

    for call, our_spans in ours.items():
        their_spans = theirs.get(call, [])
        if len(our_spans) != len(their_spans):
            note(call, "(spans)", "differs", len(our_spans), len(their_spans))
            continue
        for mine, other in zip(our_spans, their_spans, strict=True):
            for attribute in sorted({*mine, *other}):
                our, their = _plain(attribute, mine), _plain(attribute, other)
                if attribute not in other:
                    if not attribute.startswith("alex."):
                        note(call, attribute, "only ours", our, None)
                elif attribute not in mine:
                    note(call, attribute, "only theirs", None, their)
                elif our != their and attribute not in VOLATILE:
                    note(call, attribute, "differs", our, their)
    return dict(sorted(found.items()))


def _plain(attribute: str, span: dict[str, Any]) -> Any:
    value = span.get(attribute)
    if attribute in JSON_ATTRIBUTES and isinstance(value, str):
        value = json.loads(value)
    return _without_nulls(list(value) if isinstance(value, tuple) else value)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


# -- the page ----------------------------------------------------------------------------------


def page(ours: Spans, theirs: Spans, versions: dict[str, str]) -> tuple[str, list[Difference]]:
    """Return the page, and the differences that nobody has explained."""
    explained = json.loads((ROOT / "docs" / "comparison" / "explanations.json").read_text("utf-8"))
    found = differences(ours, theirs)
    unexplained = [key for key in found if _explanation(explained, key) is None]
    calls: dict[str, int] = defaultdict(int)
    for call in ours:
        calls[call.partition(" ")[0]] += 1
    lines = [
        "<!-- Generated by scripts/compare_instrumentors.py. -->",
        "",
        "# Beside OpenTelemetry's own instrumentations",
        "",
        "The same recorded requests went through the same provider packages, observed by",
        "OpenTelemetry's GenAI instrumentations and by alexobs.",
        "These are all attributes in which the spans differ, and why.",
        "Where theirs was right by the conventions, ours was changed; what is left is deliberate.",
        "Left out are the `alex.*` attributes, which only we have: cost and its provenance,",
        "token buckets, attempts, the session.",
        "Left out as well are the spans that the `anthropic` package makes itself: beside",
        "OpenTelemetry's instrumentation a call has both, with alexobs it has one.",
        "",
        "| package | version |",
        "|---|---|",
        *(f"| `{name}` | {version} |" for name, version in sorted(versions.items())),
    ]
    for provider, count in sorted(calls.items()):
        mine = {key: value for key, value in found.items() if key.provider == provider}
        lines += ["", f"## {provider}: {count} calls", ""]
        lines += ["| attribute | | calls | ours | theirs | why |", "|---|---|---:|---|---|---|"]
        lines += [_row(key, value, _explanation(explained, key)) for key, value in mine.items()]
    lines += [
        "",
        "## Verify",
        "",
        "```console",
        "python scripts/compare_instrumentors.py",
        "```",
        "",
        "makes this page again, and exits with 1 when a difference has no explanation.",
        "",
        "## Troubleshooting",
        "",
        "**`no recorded traffic`**: the recordings are looked for beside the repository.",
        "`ALEXOBS_CASSETTES` names another folder.",
        "",
    ]
    return "\n".join(lines), unexplained


def _explanation(explained: dict[str, str], key: Difference) -> str | None:
    for name in (f"{key.provider} {key.attribute}, {key.how}", f"{key.attribute}, {key.how}"):
        if name in explained:
            return explained[name]
    return None


def _row(key: Difference, value: Found, why: str | None) -> str:
    examples = [_short(example) for example in (value.ours, value.theirs)]
    if key.attribute in VOLATILE:
        examples = ["varies" if example else "" for example in examples]
    rest = (key.how, str(len(value.calls)), *examples, why or "**unexplained**")
    return f"| `{key.attribute}` | {' | '.join(rest)} |"


def _short(value: Any) -> str:
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=True)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f"`{text.replace('|', chr(92) + '|').replace('`', chr(39))}`"


# -- the environment ---------------------------------------------------------------------------


def environment(folder: Path) -> Path:
    """Return the Python of the environment with the official instrumentations."""
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        print(f"Installing the official instrumentations into {folder} …", file=sys.stderr)
        venv.create(folder, with_pip=True)
        sdks = [f"{name}{BOUNDS.get(name, '')}" for name in THEIRS]
        packages = [*sdks, *THEIRS.values(), *NEEDED]
        install = [str(python), "-m", "pip", "install", "--quiet", *packages]
        subprocess.run(install, check=True)
    return python


def run(python: Path, *arguments: str) -> Any:
    """Run this file in the other environment and return the JSON that it prints."""
    env = {**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT / "src")}
    command = [str(python), __file__, *arguments]
    return json.loads(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout)


def installed_versions() -> dict[str, str]:
    """Return the versions that were compared."""
    from importlib.metadata import version  # noqa: PLC0415

    return {name: version(name) for name in (*THEIRS, *THEIRS.values())}


def main() -> int:
    """Compare, write the page, and say what is not explained."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, default=CACHE / "instrumentors")
    parser.add_argument("--side", choices=("ours", "theirs", "versions"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side == "versions":
        json.dump(installed_versions(), sys.stdout)
        return 0
    if options.side:
        observe(options.side)
        return 0
    python = environment(options.cache)
    versions = run(python, "--side", "versions")
    ours, theirs = (run(python, "--side", side) for side in ("ours", "theirs"))
    if not ours:
        print("no recorded traffic: name its folder with ALEXOBS_CASSETTES", file=sys.stderr)
        return 1
    text, unexplained = page(ours, theirs, versions)
    PAGE.write_text(text, encoding="utf-8")
    for key in unexplained:
        print(f"not explained: {key.provider} {key.attribute}, {key.how}", file=sys.stderr)
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
