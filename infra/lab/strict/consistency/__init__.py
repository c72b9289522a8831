"""Eventual consistency, by switch: for a number of requests, reads show what was before a change.

https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
https://docs.aws.amazon.com/kms/latest/developerguide/accessing-kms.html#programming-eventual-consistency

While the switch is on, of what a request has made, changed or deleted

* reads (Describe…, Get…, List…) don't show the new, show the deleted still, and show tags as they were;
* any other request that names the new is refused as if it weren't there, except the creation itself: a name is taken
  from the first moment on, and a ClientToken's second request gets what the first made.

S3 is left out: it is strongly consistent. What happens by itself (a gateway becomes available) is seen at once.

It works on moto's own collections (``stores`` lists them): around a request, what it may not see is taken out and what
it still sees is put in; afterwards all is as it was. What a request changed is found by comparing before and after.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.core.request import Request
from werkzeug.wrappers import Request as WsgiRequest

from ..plane import ControlPlane, LabError
from ..policies.request import operation_of, service_of
from .stores import Container, Store, stores

READS = ("Describe", "Get", "List", "Head")
ABSENT = object()
MOST = 1000


@dataclass(frozen=True)
class Former:
    """What reads see of one entry of a collection until a time."""

    store: Store
    container: Container
    key: Any
    #: What was there before the change; ``ABSENT`` where nothing was.
    seen: Any
    #: How a request names what is there now.
    names: frozenset[str]
    until: int


class Consistency:
    """The switch, and what is still to be seen otherwise than it is."""

    def __init__(self, plane: ControlPlane, requests: int) -> None:
        self._plane = plane
        self._requests = requests
        self._former: list[Former] = []

    def switch(self, requests: int) -> None:
        """Sets for how many requests changes stay unseen; 0 ends it, for those of before as well."""
        if not 0 <= requests <= MOST:
            raise LabError(f"{requests} requests: 0 to {MOST} are a number for this")
        self._requests = requests
        if requests == 0:
            self._former.clear()

    @contextlib.contextmanager
    def around(self, wsgi_request: WsgiRequest, body: bytes) -> Iterator[None]:
        """Shows moto's state to one request as it may see it. Whoever calls this lets no other request in."""
        request = Request(wsgi_request.environ.copy())
        service = service_of(request)
        operation = None if self._requests == 0 or service == "s3" else operation_of(service, request, body)
        if operation is None:
            yield
        elif operation.startswith(READS):
            with _replaced(self._seen()):
                yield
        else:
            named = _strings(request, body)
            hidden = [f for f in self._seen() if f.names & named and operation not in f.store.made_by]
            with _replaced(hidden):
                before = [(store, [(c, _copy(c)) for c in store.containers()]) for store in stores(operation)]
                yield
                self._compare(operation, before)

    def _seen(self) -> list[Former]:
        self._former = [former for former in self._former if former.until >= self._plane.time]
        # Of two changes to one entry, reads see what was before the first for as long as that is to be seen.
        return sorted(self._former, key=lambda former: -former.until)

    def _compare(self, operation: str, before: list[tuple[Store, list[tuple[Container, dict[Any, Any]]]]]) -> None:
        until = self._plane.time + self._requests
        for store, saved in before:
            containers = list(store.containers())
            known = {id(container): entries for container, entries in saved}
            for container, replaced in self._replacements(containers, saved):
                known[id(container)] = known[id(replaced)]
                self._former = [replace(f, container=container) if f.container is replaced else f for f in self._former]
            for container in containers:
                earlier, now = known.get(id(container), {}), _copy(container)
                for key in earlier.keys() | now.keys():
                    old, new = earlier.get(key, ABSENT), now.get(key, ABSENT)
                    if old is not new and not (isinstance(old, str) and old == new):
                        names = frozenset(store.names(key, new)) if old is ABSENT else frozenset[str]()
                        self._former.append(Former(store, container, key, old, names, until))

    @staticmethod
    def _replacements(
        containers: list[Container], saved: list[tuple[Container, dict[Any, Any]]]
    ) -> list[tuple[Container, Container]]:
        """The collections that moto has put in the place of others, each with that other: it stands in its order."""
        here, before = {id(container) for container in containers}, {id(container) for container, _ in saved}
        new = [container for container in containers if id(container) not in before]
        gone = [container for container, _ in saved if id(container) not in here]
        return list(zip(new, gone, strict=True)) if len(new) == len(gone) else []


def apply(plane: ControlPlane, requests: int) -> None:
    consistency = Consistency(plane, requests)
    plane.around = consistency.around

    @plane.route("eventual")
    def eventual(request: WsgiRequest) -> dict[str, int]:
        requests = request.args.get("requests", "")
        if not requests.isdecimal():
            raise LabError(f"{requests!r} is no number of requests")
        with plane.alone():
            consistency.switch(int(requests))
        return {"requests": int(requests)}


def _copy(container: Container) -> dict[Any, Any]:
    """A collection as a dictionary; what is in a list is its own key."""
    return dict(container) if isinstance(container, dict) else {id(item): item for item in container}


@contextlib.contextmanager
def _replaced(formers: list[Former]) -> Iterator[None]:
    saved: dict[int, tuple[Container, Any]] = {}
    for former in formers:
        container = former.container
        if id(container) not in saved:
            saved[id(container)] = (container, container.copy())
        changed = _copy(container)
        if former.seen is ABSENT:
            changed.pop(former.key, None)
        else:
            changed[former.key] = former.seen
        _fill(container, changed)
    hidden = {id(container): _copy(container) for container, _ in saved.values()}
    try:
        yield
    finally:
        for container, original in saved.values():
            _restore(container, original, hidden[id(container)])


def _fill(container: Container, entries: dict[Any, Any]) -> None:
    if isinstance(container, dict):
        container.clear()
        container.update(entries)
    else:
        container[:] = list(entries.values())


def _restore(container: Container, original: Any, hidden: dict[Any, Any]) -> None:
    """As it was, with what the request itself has changed."""
    entries, now = _copy(original), _copy(container)
    for key in hidden.keys() - now.keys():
        entries.pop(key, None)
    for key, value in now.items():
        if hidden.get(key, ABSENT) is not value:
            entries[key] = value
    _fill(container, entries)


def _strings(request: Request, body: bytes) -> set[str]:
    """Every string of a request that may name something: in its path, its query, its form or its JSON."""
    found = {unquote(part) for part in request.path.split("/")} | set(request.args.values())
    if body[:1] == b"{":
        _collect(json.loads(body), found)
    else:
        found |= {value for values in parse_qs(body.decode("utf-8", "replace")).values() for value in values}
    return {part for text in found for part in (text, *text.split(","))}


def _collect(value: Any, found: set[str]) -> None:
    if isinstance(value, str):
        found.add(value)
    elif isinstance(value, dict):
        for inner in value.values():
            _collect(inner, found)
    elif isinstance(value, list):
        for inner in value:
            _collect(inner, found)
