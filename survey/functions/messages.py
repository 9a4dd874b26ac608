"""What a survey and the processes of a training function say to each other: JSON, and bytes where there are any."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

_HEADER = struct.Struct("<II")
_MOST_JSON = 64 << 20


class EndOfMessagesError(Exception):
    """The other side is gone."""


def send(connection: socket.socket, message: dict[str, Any], content: bytes = b"") -> None:
    """Send a message.

    Raises:
        EndOfMessagesError: Nobody takes it.
    """
    text = json.dumps(message).encode()
    try:
        connection.sendall(_HEADER.pack(len(text), len(content)) + text)
        connection.sendall(content)
    except OSError as error:
        raise EndOfMessagesError from error


def receive(connection: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Wait for a message.

    Raises:
        EndOfMessagesError: There are no more, or none that can be understood.
    """
    length, more = _HEADER.unpack(_exactly(connection, _HEADER.size))
    if length > _MOST_JSON:
        raise EndOfMessagesError
    return json.loads(_exactly(connection, length)), _exactly(connection, more)


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = bytearray()
    while len(found) < count:
        try:
            part = connection.recv(min(count - len(found), 1 << 20))
        except OSError as error:
            raise EndOfMessagesError from error
        if not part:
            raise EndOfMessagesError
        found += part
    return bytes(found)
