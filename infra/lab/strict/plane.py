"""The WSGI application in front of moto: what every request passes before moto sees it, and the lab's own doors.

* moto's back doors (its own API, the header that names an account, instance metadata for everyone) are shut.
* Guards see each request first and may answer it: policy evaluation is one.
* One request at a time reaches moto's state: its backends take no locks and reach into each other (Auto Scaling starts
  instances), and a parallel client would otherwise meet "dictionary changed size during iteration" where AWS has no
  such thing.
* Time is counted in requests (``plane.after``): a gateway is pending for a few of them, so no test waits for a clock.
* ``/_holdfast/…`` are the lab's own calls, for whoever knows the secret that the start announced.
"""

import contextlib
import heapq
import io
import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Request, Response

Guard = Callable[[Request], Response | None]
Route = Callable[[Request], Any]
Around = Callable[[Request, bytes], contextlib.AbstractContextManager[None]]

LAB_PREFIX = "/_holdfast/"
SHUT_PREFIXES = ("/moto-api", "/latest/")


log = logging.getLogger(__name__)


def _create_app(service: Any) -> Any:
    app = create_backend_app(service)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    return app


class LabError(Exception):
    """A refusal of one of the lab's own calls, with what to do about it."""


class ControlPlane:
    """moto and what stands before it. Truths register themselves here."""

    def __init__(self, node: Path, evaluator: Path) -> None:
        #: The program and the directory of the policy evaluator (its scripts and node modules).
        self.node = node
        self.evaluator = evaluator
        #: What the lab's own calls must show.
        self.secret = secrets.token_urlsafe(32)
        self._guards: list[Guard] = []
        self._routes: dict[str, Route] = {}
        self._moto = DomainDispatcherApplication(_create_app)
        self._lock = threading.Lock()
        #: How many requests have reached moto: the time of the lab.
        self.time = 0
        #: What stands around each request that reaches moto: ``strict.consistency``.
        self.around: Around = lambda _request, _body: contextlib.nullcontext()
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._scheduled = 0

    def guard(self, function: Guard) -> Guard:
        """Registers a function that sees each request before moto, and answers it by returning a response.

        ``request.scheme`` tells TLS from plain HTTP; ``request.get_data()`` may be called.
        """
        self._guards.append(function)
        return function

    def route(self, name: str) -> Callable[[Route], Route]:
        """Registers a call of the lab's own at ``/_holdfast/<name>``; what it returns is sent as JSON."""

        def decorate(function: Route) -> Route:
            self._routes[LAB_PREFIX + name] = function
            return function

        return decorate

    def after(self, requests: int, function: Callable[[], None]) -> None:
        """Calls a function once that many more requests have been answered, before the next one is.

        Truths call this while they answer a request; nobody else reaches moto's state while the function runs.
        """
        self._scheduled += 1  # of two that are due at once the earlier comes first, and functions aren't compared
        heapq.heappush(self._due, (self.time + requests, self._scheduled, function))

    def alone(self) -> threading.Lock:
        """For the lab's own calls that change what requests see: `with plane.alone():`."""
        return self._lock

    def _pass_time(self) -> None:
        while self._due and self._due[0][0] <= self.time:
            heapq.heappop(self._due)[2]()
        self.time += 1

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        environ.pop("HTTP_X_MOTO_ACCOUNT_ID", None)
        if path.startswith(LAB_PREFIX):
            return self._own_call(Request(environ))(environ, start_response)
        if path.startswith(SHUT_PREFIXES):
            return Response("no such door in this lab\n", status=404)(environ, start_response)

        # Read before any lock is held, so that a slow client holds up nobody; and once, so that guards may look.
        request = Request(environ)
        body = request.get_data(cache=True)
        for guard in self._guards:
            response = guard(request)
            if response is not None:
                return response(environ, start_response)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["wsgi.input_terminated"] = True
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("werkzeug.request", None)

        app = self._moto.get_application(environ)
        try:
            with self._lock:
                self._pass_time()
                with self.around(request, body):
                    return list(app(environ, start_response))
        except Exception:
            # A gap or a mistake here or in moto: the client gets what AWS says of its own, the log says why.
            log.exception("%s %s failed: %s", request.method, path, body[:500])
            return Response("InternalFailure\n", status=500)(environ, start_response)

    def _own_call(self, request: Request) -> Response:
        if not secrets.compare_digest(request.headers.get("x-holdfast-lab", ""), self.secret):
            return Response("this call is the lab's own\n", status=403)
        route = self._routes.get(request.path)
        if route is None:
            return Response("no such call\n", status=404)
        try:
            return Response(json.dumps(route(request)), content_type="application/json")
        except LabError as error:
            return Response(f"{error}\n", status=400)
