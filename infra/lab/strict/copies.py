"""A copy of the control plane: a process of its own on ports of its own, with all that was made so far.

What a fork(2) costs is some milliseconds, so a test may try a hundred ways on from one state. It is to be asked for at
rest: a request that another thread is answering would be cut off in the copy.
"""

import json
import os
import signal
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from werkzeug.wrappers import Request

from .plane import ControlPlane
from .serve import Listeners


def apply(plane: ControlPlane, listeners: Listeners, announcement: Callable[[Listeners], dict[str, object]]) -> None:
    @plane.route("copy")
    def copy(request: Request) -> Any:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _serve(listeners, announcement, writer)
        os.close(writer)
        threading.Thread(target=os.waitpid, args=(child, 0), daemon=True).start()
        with os.fdopen(reader) as announced:
            return json.loads(announced.readline())


def _serve(original: Listeners, announcement: Callable[[Listeners], dict[str, object]], writer: int) -> NoReturn:
    """The copy's life: this thread is its only one now, and never returns to the request that it was made by."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        listeners = original.again()
        listeners.start()
        os.write(writer, json.dumps(announcement(listeners)).encode() + b"\n")
        os.close(writer)
        # The pipe is the original's too, and says nothing: it ends with whoever started the original.
        os.read(0, 1)
    finally:
        os._exit(0)
