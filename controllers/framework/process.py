"""Controllers that are not one plan per object: they bring their own loop and get a `Context`.

The garbage collector (a graph over all resources) is one. Made by `catalog.py`, run by `app.py`.
"""

from dataclasses import dataclass
from typing import Protocol

from client.api import Client
from client.events import Recorder
from client.informer import Informers
from kit.tasks import Tasks


@dataclass(frozen=True)
class Context:
    """What a process shares with all controllers."""

    client: Client
    informers: Informers
    recorder: Recorder
    tasks: Tasks


class Process(Protocol):
    """`attach` asks for informers before they start; `run` works until cancelled."""

    @property
    def id(self) -> str: ...

    def attach(self, context: Context) -> None: ...

    async def run(self, context: Context) -> None: ...
