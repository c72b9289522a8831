"""Replacing one method of moto by one that can still call it."""

import functools
from collections.abc import Callable
from typing import Any


def override(owner: type, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates the replacement of ``owner.name``: it gets moto's own method first, then that method's arguments.

    A name that moto doesn't have is an error: a truth that overrides nothing would silently stop being one. So is one
    that a subclass has of its own, since calls would pass by: who overrides moto's EC2Response comes last.
    """
    original = getattr(owner, name)
    passed_by = [subclass.__name__ for subclass in owner.__subclasses__() if name in vars(subclass)]
    if passed_by:
        raise TypeError(f"{owner.__name__}.{name} is overridden in {', '.join(passed_by)} already: put this before it")

    def decorate(replacement: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def method(*args: Any, **kwargs: Any) -> Any:
            return replacement(original, *args, **kwargs)

        setattr(owner, name, method)
        return replacement

    return decorate


def provide(owner: type, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a method that moto lacks. One that moto has by now is an error: then it may not be needed any more."""
    if hasattr(owner, name):
        raise TypeError(f"moto's {owner.__name__} has {name} of its own by now: is this truth still needed?")

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        setattr(owner, name, method)
        return method

    return decorate
