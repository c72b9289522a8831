"""Answers that are moto's own, sooner: what it looks for anew with each request, and what it seeks among everything.

Tests kill a program at each of its calls and run it again, a hundred times over, and a thousand hosts were made in
minutes, past the clients' patience.
"""

import functools
import re
from typing import Any

from moto import backends
from moto.core import responses
from moto.core.utils import method_names_from_class
from moto.ec2.models.tags import TagBackend
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix

from .override import override

# What makes a filter's value a pattern.
WILDCARDS = re.compile(r"[*?\[\\]")


def apply() -> None:
    # Neither changes once everything is loaded: a class's methods, and the directories of the package.
    responses.method_names_from_class = functools.cache(method_names_from_class)
    backends.list_of_moto_modules = functools.cache(lambda of=backends.list_of_moto_modules: tuple(of()))

    @override(TagBackend, "describe_tags")
    def describe_tags(original: Any, self: Any, filters: dict[str, list[str]] | None = None) -> Any:
        """Those of resources by their ids, which each answer about one asks for: moto looks through those of all."""
        ids = dict.fromkeys((filters or {}).get("resource-id", []))
        if set(filters or {}) != {"resource-id"} or any(WILDCARDS.search(resource) for resource in ids):
            return original(self, filters)
        return [
            {
                "resource_id": resource,
                "key": key,
                "value": value,
                "resource_type": EC2_PREFIX_TO_RESOURCE.get(get_prefix(resource), ""),
            }
            for resource in ids
            for key, value in self.tags.get(resource, {}).copy().items()
        ]
