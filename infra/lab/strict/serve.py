"""Two listeners on loopback, HTTPS and plain HTTP, before the same control plane.

Plain HTTP is there so that a policy that demands TLS has something to refuse.
"""

import socket
import ssl
import threading
from copy import copy
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from .plane import ControlPlane

LOOPBACK = "127.0.0.1"


class _Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"  # what `Expect: 100-continue` and chunked answers need

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Logs the line as it is, without colours: it goes to a file."""
        self.log("info", '"%s" %s', self.requestline.encode("unicode_escape").decode(), code)


class _Server(ThreadedWSGIServer):
    daemon_threads = True
    request_queue_size = 256

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accepts without waiting for the TLS handshake: a client that never speaks must not hold up the others."""
        connection, address = self.socket.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.ssl_context is not None:
            connection = self.ssl_context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address


class Listeners:
    """Both listeners, each served by a thread."""

    def __init__(self, plane: ControlPlane, certificate: Path, key: Path) -> None:
        self._plane = plane
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        self._listen()

    def _listen(self) -> None:
        self._https = _Server(LOOPBACK, 0, self._plane, handler=_Handler)
        self._https.ssl_context = self._tls
        self._http = _Server(LOOPBACK, 0, self._plane, handler=_Handler)

    def again(self) -> "Listeners":
        """Others for a copy of this process, which gives these up."""
        for server in (self._https, self._http):
            server.socket.close()
        others = copy(self)
        others._listen()
        return others

    @property
    def https_port(self) -> int:
        return self._https.server_port

    @property
    def http_port(self) -> int:
        return self._http.server_port

    def start(self) -> None:
        """Answers from now on (connections made since the constructor waited in the queue)."""
        for server in (self._https, self._http):
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        for server in (self._https, self._http):
            server.shutdown()
            server.server_close()
