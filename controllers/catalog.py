"""Every controller, one line each, in the order in which they are started."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from controllers.config import Config
from controllers.deployment.plan import deployment
from controllers.framework.controller import Controller
from controllers.framework.process import Process
from controllers.replicaset import replicaset
from controllers.replicationcontroller import replicationcontroller

Entry: TypeAlias = Controller[Any] | Process


def catalog(config: Config) -> tuple[Entry, ...]:
    """Return all controllers, set up as `config` says."""
    return (
        replicaset,
        deployment,
        replicationcontroller,
    )


def chosen(entries: Iterable[Entry], names: tuple[str, ...]) -> list[Entry]:
    """Return the entries that `--controllers` names: `*`, `name`, `-name`."""
    everything = "*" in names
    return [entry for entry in entries if entry.id in names or (everything and f"-{entry.id}" not in names)]
