"""Answers that are moto's own, sooner: what it looks for anew with each request, and what it seeks among everything.

Tests kill a program at each of its calls and run it again, a hundred times over; most of their time passes here.
"""

import functools
from typing import Any

from moto import backends
from moto.core import responses
from moto.core.utils import method_names_from_class
from moto.ec2.models.tags import TagBackend
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix

from .override import override


def apply() -> None:
    # Neither changes once everything is loaded: a class's methods, and the directories of the package.
    responses.method_names_from_class = functools.cache(method_names_from_class)
    backends.list_of_moto_modules = functools.cache(lambda of=backends.list_of_moto_modules: tuple(of()))

    @override(TagBackend, "describe_tags")
    def describe_tags(original: Any, self: Any, filters: Any = None) -> Any:
        """Those of one resource, which each answer about it asks for: moto matches its id with that of each tag."""
        (names, ids) = (list(filters), filters.get("resource-id", [])) if filters else ([], [])
        if names != ["resource-id"] or len(ids) != 1 or set("*?") & set(ids[0]):
            return original(self, filters)
        type_ = EC2_PREFIX_TO_RESOURCE.get(get_prefix(ids[0]), "")
        found = self.tags.get(ids[0], {}).items()
        return [{"resource_id": ids[0], "key": key, "value": value, "resource_type": type_} for key, value in found]
