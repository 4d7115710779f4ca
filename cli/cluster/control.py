"""How verbs talk to a running supervisor: one JSON line each way over a unix socket that only the owner may
open.

{"do": "status"}                         -> {"pid": 17, "processes": [...]}
{"do": "stop"}                           -> {} when every process has ended
{"do": "stop-node", "node": "node-2"}    -> {}  as a power cut: processes and containers killed, cable pulled
{"do": "start-node", "node": "node-2"}   -> {}
"""

import socket
from pathlib import Path
from typing import Any

import orjson


class NotRunning(Exception):
    """No supervisor answers on the socket."""


class Refused(Exception):
    """The supervisor could not do it; the message says why."""


def ask(path: Path, do: str, timeout_s: float = 120.0, **more: Any) -> dict[str, Any]:
    """Send one request and return its answer. Raises `NotRunning`, `Refused`."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            text = f"no cluster is running in {path.parent.parent}; `pelamis start` starts it"
            raise NotRunning(text) from error
        try:
            connection.sendall(orjson.dumps({"do": do, **more}) + b"\n")
            answer = _read_line(connection)
        except OSError as error:
            raise Refused(f"the supervisor does not answer: {error}") from error
    if error_text := answer.get("error"):
        raise Refused(error_text)
    return answer


def _read_line(connection: socket.socket) -> dict[str, Any]:
    data = b""
    while not data.endswith(b"\n"):
        piece = connection.recv(65536)
        if not piece:
            raise Refused("the supervisor closed the connection")
        data += piece
    answer: dict[str, Any] = orjson.loads(data)
    return answer
