"""Reads the encryption configuration, again when its file changes. Called by `apiserver/app.py`."""

import asyncio
from pathlib import Path

import yaml

from apiserver.encryption.backend import EncryptedBackend
from apiserver.encryption.config import Rule, parse
from kit import clock, log

_log = log.get("apiserver.encryption")
# Spec: the file is looked at once a minute (--encryption-provider-config-automatic-reload, 1.36); we can
# afford more.
RELOAD_S = 5.0


def load(path: Path) -> tuple[Rule, ...]:
    """Return the rules of a file. Raises `OSError`, `ValueError`."""
    return _rules(path, path.read_bytes())


def _rules(path: Path, text: bytes) -> tuple[Rule, ...]:
    try:
        return parse(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


async def follow(path: Path, backend: EncryptedBackend) -> None:
    """Use what the file says whenever it changes, until cancelled; a bad file changes nothing."""
    known = b""
    while True:
        try:
            found = await asyncio.to_thread(path.read_bytes)
            if found != known:
                known = found
                backend.use(_rules(path, found))
                _log.info("encryption configuration in use", path=str(path))
        except (OSError, ValueError) as error:
            _log.error("encryption configuration not reloaded", error=str(error))
        await clock.sleep(RELOAD_S)
