"""Objects that stand for others: everything but a few methods is the other object's own."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Looked up on the type by the interpreter, so that `__getattr__` never sees them.
_ALWAYS = frozenset(("__eq__", "__hash__", "__ne__", "__repr__", "__str__"))
_COMPARING = frozenset(("__eq__", "__ge__", "__gt__", "__le__", "__lt__", "__ne__"))
_SPECIAL = (
    "__aenter__",
    "__aexit__",
    "__aiter__",
    "__anext__",
    "__await__",
    "__bool__",
    "__bytes__",
    "__call__",
    "__contains__",
    "__delitem__",
    "__enter__",
    "__eq__",
    "__exit__",
    "__float__",
    "__format__",
    "__ge__",
    "__getitem__",
    "__gt__",
    "__hash__",
    "__index__",
    "__int__",
    "__ior__",
    "__iter__",
    "__le__",
    "__len__",
    "__lt__",
    "__ne__",
    "__next__",
    "__or__",
    "__repr__",
    "__reversed__",
    "__ror__",
    "__setitem__",
    "__str__",
)


def defined(kind: type, name: str) -> bool:
    """Tell whether objects of a class have a method that not every object has."""
    found = next((vars(cls)[name] for cls in kind.__mro__ if name in vars(cls)), None)
    return found is not None and found is not vars(object).get(name)


def has(value: Any, name: str) -> bool:
    """Tell whether `value` has a method; every class has a ``__call__`` that is not meant."""
    if name.startswith("__"):
        return defined(type(value), name)
    return callable(getattr(value, name, None))


class Proxy:
    """Stands for `target`; `methods` are used instead of the target's own.

    It passes ``isinstance`` for the target's class, shows its attributes, and pickles as the
    target does. Copies of it are observed as it is.

    Args:
        target: the object.
        methods: name to function, which is called without the proxy.
        remake: makes a proxy like this one for a copy of the target.
    """

    __slots__ = ("__weakref__", "_alexobs_methods", "_alexobs_remake", "_alexobs_target")

    def __new__(
        cls, target: Any, methods: dict[str, Callable[..., Any]], remake: Callable[[Any], Any]
    ) -> Any:
        """Return a proxy of a class that has the target's special methods."""
        kind = type(target)
        special = {
            name: _forward(name)
            for name in _SPECIAL
            if name in methods or name in _ALWAYS or defined(kind, name)
        }
        made: Any = object.__new__(type(cls.__name__, (cls,), {"__slots__": (), **special}))
        object.__setattr__(made, "_alexobs_target", target)
        object.__setattr__(made, "_alexobs_methods", methods)
        object.__setattr__(made, "_alexobs_remake", remake)
        return made

    @property
    def __class__(self) -> type:
        return type(object.__getattribute__(self, "_alexobs_target"))

    @__class__.setter
    def __class__(self, kind: type) -> None:
        self._alexobs_target.__class__ = kind

    def __getattr__(self, name: str) -> Any:
        methods = object.__getattribute__(self, "_alexobs_methods")
        found = methods.get(name)
        if found is not None:
            return found
        return getattr(object.__getattribute__(self, "_alexobs_target"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._alexobs_target, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._alexobs_target, name)

    def __dir__(self) -> Any:
        return dir(self._alexobs_target)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._alexobs_target.__reduce_ex__(protocol)

    def __copy__(self) -> Any:
        return self._alexobs_remake(copy.copy(self._alexobs_target))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self._alexobs_remake(copy.deepcopy(self._alexobs_target, memo))


def _forward(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        own = object.__getattribute__(self, "_alexobs_methods").get(name)
        if own is not None:
            return own(*args, **kwargs)
        target = object.__getattribute__(self, "_alexobs_target")
        if name in _COMPARING:
            args = tuple(map(target_of, args))
        result = getattr(type(target), name)(target, *args, **kwargs)
        # ``with client as c`` and ``iter(stream)`` give the object itself: that is the proxy.
        return self if result is target else result

    method.__name__ = name
    return method


def is_proxy(value: Any) -> bool:
    """Tell whether `value` is a proxy of ours."""
    return issubclass(type(value), Proxy)


def target_of(value: Any) -> Any:
    """Return what `value` stands for; `value` itself when it is no proxy."""
    return object.__getattribute__(value, "_alexobs_target") if is_proxy(value) else value
