"""Structured logs: one JSON line per record, a constant message and keys.

    log = get("scheduler.bind")
    log.info("bound", pod="default/web-1", node="node-2")

`setup` is called once per process; before it, records go to the standard handlers of `logging`.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

LEVELS = ("debug", "info", "warning", "error")


class Logger:
    """A thin face over `logging.Logger` that takes keys; `bind` returns a logger that always adds some."""

    __slots__ = ("_keys", "_logger")

    def __init__(self, logger: logging.Logger, keys: dict[str, Any] | None = None) -> None:
        self._logger = logger
        self._keys = keys or {}

    def bind(self, **keys: Any) -> "Logger":
        return Logger(self._logger, {**self._keys, **keys})

    def debug(self, message: str, **keys: Any) -> None:
        self._emit(logging.DEBUG, message, keys)

    def info(self, message: str, **keys: Any) -> None:
        self._emit(logging.INFO, message, keys)

    def warning(self, message: str, **keys: Any) -> None:
        self._emit(logging.WARNING, message, keys)

    def error(self, message: str, **keys: Any) -> None:
        self._emit(logging.ERROR, message, keys)

    def exception(self, message: str, **keys: Any) -> None:
        """Log at error level with the traceback of the exception being handled."""
        self._emit(logging.ERROR, message, keys, exc_info=True)

    def _emit(self, level: int, message: str, keys: dict[str, Any], exc_info: bool = False) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, message, extra={"keys": {**self._keys, **keys}}, exc_info=exc_info)


def get(name: str) -> Logger:
    """Return the logger of one part of a component, named `component.part`."""
    return Logger(logging.getLogger(name))


class JSONFormatter(logging.Formatter):
    """Formats a record as one JSON line: time, level, logger, message, then the keys."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "keys", {}))
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def setup(level: str = "info", stream: TextIO | None = None) -> None:
    """Send all records of this process to `stream` (default: standard error) as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JSONFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiohttp.access", "asyncio", "pyroute2", "grpc"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
