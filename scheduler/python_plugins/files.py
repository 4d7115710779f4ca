"""The files with functions of users: read, watched, and brought into the profiles. An edge.

    plugins = PythonPlugins({"default-scheduler": ["/etc/pelamis/mine.py"]}, tell=...)
    profiles = plugins.extend(profiles)
    await plugins.follow(on_change)         # calls it when `extend` would now return something else

A file is loaded when it has looked the same twice, so that half of it is never taken for the whole. One that
cannot be loaded leaves in force what was loaded of it before.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from api.types.core_v1 import Pod
from kit import clock, log
from kit.deadline import TooLong, run_within
from kit.metrics import REGISTRY
from scheduler.framework import Profile
from scheduler.python_plugins.contain import Containment, describe, line_of
from scheduler.python_plugins.marks import find_plugins
from scheduler.python_plugins.wrap import Plugin, extend

# How long a function may compute in one decision, and a file when it is loaded.
LIMIT_S = 0.1
_LOAD_LIMIT_S = 2.0
# How often the files are looked at: what was edited counts before one has left the editor.
_LOOK_S = 0.2
_log = log.get("scheduler.python_plugins")
_broken = REGISTRY.gauge(
    "scheduler_plugin_file_broken", "1 for a plugin file that could not be loaded as it is now.", ("file",)
)


class Broken(Exception):
    """A file cannot be loaded; the text says where and why."""


@dataclass
class _File:
    path: str
    plugins: tuple[Plugin, ...] = ()
    # What the file looked like when it was loaded, and when it was last looked at.
    loaded: tuple[int, ...] | None = ()
    seen: tuple[int, ...] | None = ()


class PythonPlugins:
    """The functions of all profiles. `files` are by profile; `tell` is called with a pod and what went wrong
    with a function when the pod was judged.
    """

    def __init__(
        self,
        files: Mapping[str, Sequence[str | Path]],
        tell: Callable[[Pod, str], None] = lambda pod, message: None,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._by_profile = {
            name: [str(Path(path).absolute()) for path in paths] for name, paths in files.items()
        }
        self._files = {path: _File(path) for paths in self._by_profile.values() for path in paths}
        self._guard = Containment(limit_s, tell)
        for file in self._files.values():
            file.seen = _look(file.path)
            self._load(file)

    def extend(self, profiles: Mapping[str, Profile]) -> dict[str, Profile]:
        """Return the profiles with the functions that are in force now, after their own plugins."""
        return {
            name: extend(profile, self._of(name), self._guard) if self._by_profile.get(name) else profile
            for name, profile in profiles.items()
        }

    async def follow(self, on_change: Callable[[], None]) -> None:
        """Look at the files again and again, until cancelled."""
        while self._files:
            await clock.sleep(_LOOK_S)
            if self.refresh():
                on_change()

    def refresh(self) -> bool:
        """Look at the files once. Returns whether other functions are in force now."""
        changed = [self._refresh(file) for file in self._files.values()]
        return any(changed)

    def _of(self, profile: str) -> list[Plugin]:
        return [plugin for path in self._by_profile.get(profile, ()) for plugin in self._files[path].plugins]

    def _refresh(self, file: _File) -> bool:
        before, file.seen = file.seen, _look(file.path)
        if file.seen == file.loaded or file.seen != before:
            return False
        return self._load(file)

    def _load(self, file: _File) -> bool:
        file.loaded = file.seen
        try:
            plugins = read(file.path)
        except Broken as error:
            _broken.set(1, (file.path,))
            _log.error("plugin file not loaded", file=file.path, error=str(error), kept=_names(file.plugins))
            return False
        _broken.set(0, (file.path,))
        _log.info("plugin file loaded", file=file.path, plugins=_names(plugins))
        for plugin in file.plugins:
            self._guard.forget(plugin)
        for plugin in plugins:
            self._guard.loaded(plugin)
        file.plugins = plugins
        return True


def read(path: str) -> tuple[Plugin, ...]:
    """Return the marked functions of a file. Raises `Broken`."""
    try:
        source = Path(path).read_bytes()
    except OSError as error:
        raise Broken(f"{path}: {error.strerror}") from error
    try:
        code = compile(source, path, "exec", dont_inherit=True)
        return run_within(_LOAD_LIMIT_S, lambda: find_plugins(_execute(code, path), path))
    except KeyboardInterrupt:
        raise
    except TooLong as error:
        line = line_of(error.__cause__, path)
        raise Broken(f"{path}:{line}: not loaded within {_LOAD_LIMIT_S:g} s") from error
    except SyntaxError as error:
        raise Broken(f"{path}:{error.lineno}: {error.msg}") from error
    except BaseException as error:
        # Code of users, whatever it raises: also SystemExit.
        raise Broken(f"{path}:{line_of(error, path) or 1}: {describe(error)}") from error


def _execute(code: CodeType, path: str) -> dict[str, Any]:
    """Return the names of the file's module. It is a known module, as dataclasses and others expect."""
    name = f"pelamis plugins of {path}"
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    exec(code, module.__dict__)
    return module.__dict__


def _look(path: str) -> tuple[int, ...] | None:
    """Return what changes when the file does; None if it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _names(plugins: Iterable[Plugin]) -> list[str]:
    return [plugin.name for plugin in plugins]
