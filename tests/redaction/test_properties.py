"""What holds for every text: idempotence, the same answer from both engines, markers untouched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alexobs.redaction import words
from alexobs.testing.secrets import innocent_samples, personal_samples, secret_samples

if TYPE_CHECKING:
    from alexobs.redaction import Redactor

_SAMPLES = [s.text for s in (*secret_samples(7), *personal_samples(7)) if len(s.text) < 250]
_INNOCENT = [text for text in innocent_samples(7) if len(text) < 250]
_SEAMS = (
    '\n|\\n|\\"|"|\'|=|: | |&|,|password|token|api key|<|>|[redacted:password]|[redacted:|]|://|@'
    "|Bearer |--|{|}|is |%3D"
)
_PIECES = st.one_of(
    # by number, which keeps what hypothesis prints short
    st.integers(0, len(_SAMPLES) - 1).map(lambda index: _SAMPLES[index]),
    st.integers(0, len(_INNOCENT) - 1).map(lambda index: _INNOCENT[index]),
    st.text(max_size=20),
    st.sampled_from(_SEAMS.split("|")),
)
TEXTS = st.lists(_PIECES, max_size=8).map("".join)
_WORDS = sorted({*words.SINGLE, *words.GLUED, *words.GLUED_ENDS, *words.TAIL} | {
    word for phrase in words.PHRASES for word in phrase
})  # fmt: skip
_A_WORD = st.integers(0, len(_WORDS) - 1).map(lambda index: _WORDS[index])
NAMES = st.lists(_A_WORD, min_size=1, max_size=4).flatmap(
    lambda parts: st.sampled_from(
        ["_".join(parts), "-".join(parts), ".".join(parts), "".join(parts), " ".join(parts),
         "".join(part.title() for part in parts), "_".join(parts).upper(), "__".join(parts)]
    )
)  # fmt: skip
JOINS = st.sampled_from(
    [
        "=",
        ": ",
        " = ",
        '": "',
        "': '",
        '\\": \\"',
        " is ",
        "=>",
        ":=",
        '", "',
        ">",
        " ",
        "] = ",
        "%3D",
        ":",
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        ["hunter2", "aB3" + "dE5f" * 9, "12345", "plain", "Bearer abc123def", "{'a': 'b'}"]
    ),
    st.text(max_size=12),
)
_SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@_SETTINGS
@given(text=TEXTS)
def test_both_engines_give_the_same_and_doing_it_twice_changes_nothing(
    text: str, redactors: dict[str, Redactor]
) -> None:
    cleaned = redactors["hyperscan"].text(text)
    assert redactors["portable"].text(text) == cleaned
    assert redactors["hyperscan"].text(cleaned) == cleaned


@_SETTINGS
@given(
    before=st.sampled_from(["", "x ", "--", '{"', "\\n", "<", "?a=1&"]),
    name=NAMES,
    join=JOINS,
    value=VALUES,
)
def test_both_engines_know_the_same_names_in_text(
    before: str, name: str, join: str, value: str, redactors: dict[str, Redactor]
) -> None:
    text = f"{before}{name}{join}{value}"
    assert redactors["hyperscan"].text(text) == redactors["portable"].text(text)


@_SETTINGS
@given(texts=st.lists(TEXTS, max_size=6))
def test_many_texts_at_once_give_what_each_gives_alone(
    texts: list[str], redactor: Redactor
) -> None:
    assert redactor.texts(texts) == [redactor.text(text) for text in texts]


VALUES_OF_ANY_KIND = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES | st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


@pytest.mark.slow
@_SETTINGS
@given(
    mappings=st.lists(
        st.dictionaries(NAMES | st.text(max_size=9), VALUES_OF_ANY_KIND, max_size=4), max_size=4
    )
)
def test_a_batch_gives_what_each_mapping_gives_alone_and_twice_is_once(
    mappings: list[dict[str, Any]], redactor: Redactor
) -> None:
    before = repr(mappings)
    cleaned = redactor.batch(mappings)
    assert repr(cleaned) == repr([redactor.fields(mapping) for mapping in mappings])
    assert repr(redactor.batch(cleaned)) == repr(cleaned)
    assert repr(mappings) == before


@_SETTINGS
@given(text=TEXTS)
def test_a_marker_comes_through_whole(text: str, redactor: Redactor) -> None:
    cleaned = redactor.text(f"[redacted:email]\n{text}")
    assert cleaned == "[redacted:email]\n" + redactor.text(f"\n{text}")[1:]
