"""Clients of models, one at a time: a provider's, or any object that completes prompts."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from alexobs.context import current_context
from alexobs.errors import InstrumentationError
from alexobs.instrumentation import generic
from alexobs.instrumentation.call import LLMCall, enclosing
from alexobs.instrumentation.clones import MARK
from alexobs.instrumentation.functions import observed, signature_of
from alexobs.instrumentation.packages import PACKAGES
from alexobs.instrumentation.proxy import Proxy, has, is_proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alexobs.instrumentation.call import Operation
    from alexobs.instrumentation.observation import Instruments

LLM = "_alexobs_llm"  # set on observed methods of clients

# The protocol: methods that ask a model, by the names that people give them.
METHODS = (
    "complete",
    "acomplete",
    "completion",
    "acompletion",
    "generate",
    "agenerate",
    "chat",
    "achat",
    "invoke",
    "ainvoke",
    "stream",
    "astream",
    "predict",
    "apredict",
    "ask",
    "__call__",
)


def instrumented_client(
    client: Any,
    obs: Instruments,
    *,
    methods: Sequence[str] | None = None,
    provider: str = "",
    model: str = "",
    usage: Callable[[Any], Any] | None = None,
) -> Any:
    """Return a client like the given one, whose calls are observed; the given one stays as it is.

    A provider SDK's client becomes one of the same class (``with_options()`` and ``copy()`` give
    observed ones as well), which shares its connections. Any other object is stood for by a proxy.

    Args:
        client: the client.
        obs: where calls are recorded.
        methods: names of the methods that ask a model, for objects of your own; default: those
            of `METHODS` that it has.
        provider: value of ``gen_ai.provider.name`` for objects of your own.
        model: the model, when neither arguments nor the object (``model``, ``model_name``) say.
        usage: takes an answer, and returns its `Usage`, or a mapping of token counts, or None.

    Raises:
        InstrumentationError: it is no client of a model.
    """
    if is_proxy(client) or getattr(type(client), MARK, None) is not None:
        return client
    clone = provider_clone(client)
    if clone is not None:
        return clone(client, obs)
    return _proxy(client, obs, methods, generic.Known(provider, model, usage))


def provider_clone(client: Any) -> Callable[[Any, Instruments], Any] | None:
    """Return how a client of a known provider is made an observed one."""
    lineage = {(cls.__module__, cls.__name__) for cls in type(client).__mro__}
    packages = {module.partition(".")[0] for module, _ in lineage}
    for name, package in PACKAGES.items():
        if package.partition(".")[0] not in packages:
            continue
        module = importlib.import_module(f"alexobs.instrumentation.providers.{name}")
        for place, clone in module.CLIENTS.items():
            if place in lineage:
                return clone  # type: ignore[no-any-return]
    return None


def _proxy(client: Any, obs: Instruments, names: Sequence[str] | None, known: generic.Known) -> Any:
    wanted = names or [name for name in METHODS if has(client, name)]
    absent = [name for name in wanted if not has(client, name)]
    if not wanted or absent:
        raise InstrumentationError(
            f"{client!r} is no client of a model: "
            + (
                f"it has no method {', '.join(absent)}"
                if absent
                else f"none of {', '.join(METHODS)}"
            )
        )
    operation = generic.operation(known)
    methods = {
        name: _observed_method(getattr(client, name), client, obs, operation) for name in wanted
    }
    return Proxy(client, methods, lambda other: _proxy(other, obs, names, known))


def _observed_method(
    method: Any, client: Any, obs: Instruments, operation: Operation
) -> Callable[..., Any]:
    signature = signature_of(method)

    def start(args: tuple[Any, ...], kwargs: dict[str, Any]) -> LLMCall | None:
        if not obs.active or enclosing(current_context(), operation.name)[0]:
            return None
        body = generic.Asked(client, signature, args, kwargs)
        return LLMCall(obs, operation, body=body, inner=[])

    wrapper = observed(method, start)
    wrapper.__dict__[LLM] = operation
    return wrapper


def instrumented_function(function: Any, obs: Instruments, **options: Any) -> Any:
    """Return a function like the given one, which asks a model, observed."""
    known = generic.Known(
        options.get("provider", ""), options.get("model", ""), options.get("usage")
    )
    return _observed_method(function, function, obs, generic.operation(known))


class _Client(type):
    """Makes ``InstrumentedLLMClient(client, obs)`` return what stands for the client."""

    def __call__(cls, client: Any, obs: Instruments, **options: Any) -> Any:
        return instrumented_client(client, obs, **options)

    def __instancecheck__(cls, value: Any) -> bool:
        if getattr(type(value), MARK, None) is not None:
            return True
        return is_proxy(value) and any(
            hasattr(method, LLM)
            for method in object.__getattribute__(value, "_alexobs_methods").values()
        )


class InstrumentedLLMClient(metaclass=_Client):
    """A client of a model, observed: ``InstrumentedLLMClient(client, obs)``.

    `client` is a provider SDK's client object, or any object with a method like ``complete``,
    ``generate``, ``chat`` or ``invoke``. What comes back behaves like it in everything:
    attributes, ``isinstance``, streams, raw responses, exceptions, context managers. The options
    of `instrumented_client` say what cannot be seen.

    Raises:
        InstrumentationError: it is no client of a model.
    """

    if TYPE_CHECKING:  # made by the metaclass; what comes back has everything that went in

        def __init__(self, client: Any, obs: Instruments, **options: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...  # noqa: D102
