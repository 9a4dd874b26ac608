"""Forwards a port of the loopback interface to the same port of another address of this machine.

`kubectl port-forward` and Ray's own port forwarding reach only the loopback interface of a node.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import suppress
from typing import Any

LOOPBACK = "127.0.0.1"
_CHUNK_BYTES = 1 << 16


class Relay(socketserver.ThreadingTCPServer):
    """Forwards from when it is made. It closes a connection if nobody listens at the other address.

    Args:
        host: The other address.
        port: The port of both.

    Raises:
        OSError: Another process listens on the loopback port.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        super().__init__((LOOPBACK, port), socketserver.BaseRequestHandler)
        threading.Thread(target=self.serve_forever, name="relay", daemon=True).start()

    def finish_request(self, request: Any, client_address: object) -> None:
        """Forward a connection until both sides close it; the base class calls this in a new thread."""
        with suppress(OSError), socket.create_connection(self.target) as other:
            back = threading.Thread(target=_copy, args=(other, request), daemon=True)
            back.start()
            _copy(request, other)
            back.join()

    def stop(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
