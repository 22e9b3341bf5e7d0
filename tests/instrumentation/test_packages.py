from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, Any

import openai
import pytest
from instrumentation_kit import Recorder
from openai import _base_client

from alexobs.errors import InstrumentationError
from alexobs.instrumentation import packages, wrap

if TYPE_CHECKING:
    from alexobs.testing.provider import ScriptedProvider


def attributes() -> dict[str, Any]:
    owners = (_base_client.SyncAPIClient, _base_client.AsyncAPIClient)
    return {f"{cls.__name__}.{name}": value for cls in owners for name, value in vars(cls).items()}


def test_removal_is_exact(recorder: Recorder) -> None:
    before = attributes()
    packages.instrument("openai", obs=recorder)
    assert packages.installed() == ["openai"]
    assert attributes() != before
    packages.instrument("openai", obs=recorder)
    packages.uninstrument("openai")
    assert attributes() == before
    packages.uninstrument("openai")
    assert packages.installed() == []


def test_what_is_patched_looks_as_before(recorder: Recorder) -> None:
    import inspect  # noqa: PLC0415

    request = _base_client.SyncAPIClient.request
    packages.instrument("openai", obs=recorder)
    patched = _base_client.SyncAPIClient.request
    assert patched is not request
    assert inspect.signature(patched) == inspect.signature(request)
    assert (patched.__name__, patched.__doc__) == (request.__name__, request.__doc__)
    assert patched.__wrapped__ is request  # type: ignore[attr-defined]
    assert inspect.iscoroutinefunction(_base_client.AsyncAPIClient.request)


def test_somebody_elses_later_patch_stays_and_ours_goes_quiet(
    provider: ScriptedProvider, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.instrument("openai", obs=recorder)
    ours = _base_client.SyncAPIClient.request
    seen = []

    def theirs(*args: Any, **kwargs: Any) -> Any:
        seen.append(args)
        return ours(*args, **kwargs)

    monkeypatch.setattr(_base_client.SyncAPIClient, "request", theirs)
    packages.uninstrument()
    provider.reply("Hello")
    with openai.OpenAI(base_url=provider.openai_url, api_key="unused") as client:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert len(seen) == 1
    assert recorder.spans == []


def test_the_latest_observability_takes_over(
    provider: ScriptedProvider, recorder: Recorder
) -> None:
    other = Recorder()
    packages.instrument("openai", obs=other)
    packages.instrument("openai", obs=recorder)
    provider.reply("Hello")
    with openai.OpenAI(base_url=provider.openai_url, api_key="unused") as client:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert other.spans == []
    assert len(recorder.spans) == 1


def test_two_threads_that_patch_and_remove_leave_nothing(recorder: Recorder) -> None:
    before = attributes()

    def work() -> None:
        for _ in range(50):
            packages.instrument("openai", "anthropic", obs=recorder)
            packages.uninstrument()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    packages.uninstrument()
    assert attributes() == before


def test_unknown_names_are_answered_with_the_known_and_the_nearest(recorder: Recorder) -> None:
    with pytest.raises(InstrumentationError, match="did you mean 'openai'") as raised:
        packages.instrument("opnai", obs=recorder)
    assert "anthropic, google_genai, openai" in str(raised.value)
    assert packages.instrument("google-genai", obs=recorder) == ["google_genai"]


def test_without_names_all_that_are_installed(recorder: Recorder) -> None:
    assert packages.instrument(obs=recorder) == ["anthropic", "google_genai", "openai"]


def test_another_version_of_a_package_is_left_alone(recorder: Recorder) -> None:
    target = wrap.Target("openai", "NoSuchClass", {})
    with pytest.raises(AttributeError):
        wrap.Patch(target, openai, recorder)
    absent = wrap.Target("openai", "OpenAI", {"no_such_method": lambda original, _: original})
    patch = wrap.Patch(absent, openai, recorder)
    patch.undo()
    assert not hasattr(openai.OpenAI, "no_such_method")


def test_a_package_is_not_imported_and_patched_when_it_is() -> None:
    program = """
        import sys
        from alexobs.instrumentation import packages
        class Obs:
            active = False
            content = "full"
            tracer = None
            def fault(self, where, error):
                raise error
        packages.instrument("openai", "anthropic", "google_genai", obs=Obs())
        assert "openai" not in sys.modules, "imported"
        assert "anthropic" not in sys.modules and "google" not in sys.modules
        finders = list(sys.meta_path)
        packages.uninstrument("anthropic")
        import openai
        patched = openai.OpenAI.request
        assert patched.__wrapped__, "patched late"
        packages.uninstrument()
        assert openai.OpenAI.request is patched.__wrapped__
        assert len(sys.meta_path) == len(finders) - 1, "the finder is gone"
        import anthropic
        assert not hasattr(anthropic.Anthropic.request, "__wrapped__")
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
