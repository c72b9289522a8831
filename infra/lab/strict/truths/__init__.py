"""One module a truth: see the package's docstring for the rules, README.md for the list."""

import importlib
import pkgutil

import strict
from strict.plane import ControlPlane


def apply_all(plane: ControlPlane) -> list[str]:
    """Loads every truth, those about policies too, and returns their names."""
    names = [f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)]
    names += [f"strict.{m.name}" for m in pkgutil.iter_modules(strict.__path__) if m.name.startswith("polic")]
    applied = []
    for name in sorted(names):
        apply = getattr(importlib.import_module(name), "apply", None)
        if apply is not None:  # a module beside a truth (its data, its parser) has none
            apply(plane)
            applied.append(name)
    return applied
