"""The automaton's cache, and what happens where it cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from alexobs.config.model import RedactionConfig
from alexobs.errors import RedactionRuleError
from alexobs.redaction import Redactor, words
from alexobs.redaction.credentials import credential_rules
from alexobs.redaction.engine import HyperscanEngine, PortableEngine, build_engine
from alexobs.redaction.personal import personal_rules
from alexobs.redaction.redactor import FAILED
from alexobs.redaction.rules import Rule, token

RULES = [token("example", "exa-", length=4)]


def test_the_automaton_is_kept_and_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "cache"
    HyperscanEngine(RULES, str(folder))
    [file] = folder.iterdir()
    written = file.stat().st_mtime_ns
    engine = HyperscanEngine(RULES, str(folder))
    assert file.stat().st_mtime_ns == written
    assert engine.hits(["no", "exa-1234"]) == {1: {RULES[0]}}
    HyperscanEngine([token("other", "oth-", length=4)], str(folder))
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"short", b"\0" * 5000])
def test_a_broken_cache_is_made_anew(tmp_path: Path, content: bytes) -> None:
    HyperscanEngine(RULES, str(tmp_path))
    [file] = tmp_path.iterdir()
    good = file.read_bytes()
    file.write_bytes(content)
    assert HyperscanEngine(RULES, str(tmp_path)).hits(["exa-1234"])
    assert file.read_bytes() == good


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert HyperscanEngine(RULES, str(blocked / "cache")).hits(["exa-1234"])


def test_without_hyperscan_the_other_engine_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hyperscan", None)
    assert isinstance(build_engine(RULES), PortableEngine)
    redactor = Redactor(RedactionConfig())
    assert redactor.text("password=hunter2") == "password=[redacted:password]"
    assert redactor.engine_name == "portable"


def test_offsets_are_right_beyond_ascii(tmp_path: Path) -> None:
    texts = ["ü" * 10, "", "exa-1234", "\ud800" * 5, "字exa-1234字", "x"]
    for engine in (HyperscanEngine(RULES, str(tmp_path)), PortableEngine(RULES)):
        assert sorted(engine.hits(texts)) == [2, 4]


def test_threads_share_a_redactor(redactors: dict[str, Redactor]) -> None:
    redactor = redactors["hyperscan"]
    wrong: list[Any] = []

    def work() -> None:
        for number in range(300):
            cleaned = redactor.text(f"password=p{number}x and more text")
            if cleaned != "password=[redacted:password] and more text":
                wrong.append(cleaned)

    before = redactor.counts.get("password", 0)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert redactor.counts["password"] == before + 1200


def test_importing_loads_no_automaton() -> None:
    code = (
        "import sys, alexobs.redaction as r; from alexobs.config.model import RedactionConfig;"
        "r.Redactor(RedactionConfig(patterns={'a': 'b'}));"
        "sys.exit('hyperscan' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "pattern", "why"),
    [
        ("broken", "(", "no regular expression"),
        ("empty", "x*", "matches the empty text"),
        ("slow", "(a+)+b", "repeats a repeat"),
        ("slower", "(?:x(?:\\w*)*)y", "repeats a repeat"),
        ("slowest", "((a+))+b", "repeats a repeat"),
        ("...", "x", "expected a name"),
        ("9lives", "x", "expected a name"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_by_name(name: str, pattern: str, why: str) -> None:
    with pytest.raises(RedactionRuleError, match=why) as caught:
        Redactor(RedactionConfig(patterns={name: pattern}))
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("pattern", [r"(?:\w+\.)+com", r"(ab+c)+", r"E-\d{4,6}", "(a|b)+c"])
def test_a_rule_with_repeats_that_are_kept_apart_is_taken(pattern: str) -> None:
    Redactor(RedactionConfig(patterns={"fine": pattern}))


def test_a_rule_says_where_it_finds_something() -> None:
    rule = Rule("x", "a(?P<s>b)c")
    assert list(rule.find("abc abc")) == [(1, 2, "x"), (5, 6, "x")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_fork_while_another_thread_counts_does_not_hang() -> None:
    code = (
        "import os, signal; from alexobs.config.model import RedactionConfig;"
        "from alexobs.redaction import Redactor;"
        "redactor = Redactor(RedactionConfig()); redactor.text('password=hunter2');"
        "redactor._lock.acquire(); child = os.fork();"
        "signal.alarm(20);"
        "child or os._exit(redactor.counts != {'password': 1});"
        "raise SystemExit(os.waitpid(child, 0)[1])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_reference_names_every_rule() -> None:
    rules = {rule.name for rule in (*credential_rules(), *personal_rules())}
    page = (
        Path(__file__).parents[2].joinpath("docs", "reference", "redaction.md").read_text("utf-8")
    )
    names = {*rules, *words.FAMILIES, FAILED}
    assert sorted(name for name in names if f"`{name}`" not in page) == []
