"""Every kind of secret in every frame goes; everything that only looks like one stays."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from alexobs.testing.secrets import Sample, innocent_samples, personal_samples, secret_samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from alexobs.redaction import Redactor

SAMPLES = [*secret_samples(1), *personal_samples(1)]
INNOCENT = innocent_samples(1)


def _leaks(sample: Sample, output: object) -> bool:
    """Whether the secret, or a piece of it worth having, is in what came out."""
    text = output if isinstance(output, str) else repr(output)
    pieces = (sample.secret, sample.secret[:12], sample.secret[-10:])
    return any(piece in text for piece in pieces)


def test_no_secret_of_the_corpus_comes_out_of_text(redactor: Redactor) -> None:
    cleaned = redactor.texts([sample.text for sample in SAMPLES])
    leaked = [
        (sample.rule, text)
        for sample, text in zip(SAMPLES, cleaned, strict=True)
        if _leaks(sample, text)
    ]
    assert leaked == []


def test_a_secret_that_stands_alone_is_named_by_its_rule(redactor: Redactor) -> None:
    kinds: dict[str, list[str]] = defaultdict(list)
    for sample in personal_samples(3) + secret_samples(3):
        kinds[sample.rule].append(redactor.text(sample.text))
    unnamed = [rule for rule, texts in kinds.items() if f"[redacted:{rule}]" not in texts[0]]
    assert unnamed == []


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: {"a": {"b": [1, (text, None)]}},
        lambda text: {text: "as a name"},
        lambda text: {"data": text.encode()},
        lambda text: [ValueError(text)],
        lambda text: {frozenset({text})},
    ],
    ids=["nested", "name", "bytes", "exception", "set"],
)
def test_no_secret_of_the_corpus_comes_out_of_values(
    redactors: dict[str, Redactor], wrap: Callable[[str], Any]
) -> None:
    redactor = redactors["hyperscan"]
    leaked = [
        (sample.rule, sample.text)
        for sample in SAMPLES[::3]
        if _leaks(sample, redactor.value(wrap(sample.text)))
    ]
    assert leaked == []


def test_a_batch_of_the_corpus_is_clean_and_the_rest_of_it_whole(redactor: Redactor) -> None:
    mappings: list[dict[str, Any]] = []
    for index, sample in enumerate(SAMPLES):
        mappings.append({"text": sample.text, "n": index})
        mappings.append({"text": "nothing here", "n": index, "list": ["a"]})
    cleaned = redactor.batch(mappings)
    assert [s.rule for s, m in zip(SAMPLES, cleaned[::2], strict=True) if _leaks(s, m)] == []
    assert all(new is old for new, old in zip(cleaned[1::2], mappings[1::2], strict=True))


def test_innocent_texts_come_out_as_the_same_objects(redactor: Redactor) -> None:
    cleaned = redactor.texts(INNOCENT)
    changed = [
        (old[:80], new[:80]) for old, new in zip(INNOCENT, cleaned, strict=True) if new != old
    ]
    assert changed == []
    assert cleaned is INNOCENT


def test_json_is_json_afterwards(redactor: Redactor) -> None:
    broken = []
    for sample in SAMPLES:
        if sample.text.startswith("{"):
            try:
                json.loads(sample.text)
            except ValueError:
                continue
            try:
                json.loads(redactor.text(sample.text))
            except ValueError:
                broken.append(sample.text)
    assert broken == []


def test_the_corpus_is_other_for_another_seed_and_the_same_for_the_same() -> None:
    assert secret_samples(1) == secret_samples(1)
    assert innocent_samples(1) == innocent_samples(1)
    assert not {s.secret for s in secret_samples(1)} & {s.secret for s in secret_samples(2)}
