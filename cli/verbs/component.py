"""`pelamis apiserver|scheduler|controllers|node|proxy|dns|hollow`: one component in the foreground."""

import gc
import importlib
import sys
from collections.abc import Sequence

from kit import config, log, tasks
from kit.workers import run_workers

# verb -> module that holds its Config, module that holds its `run`, description.
COMPONENTS = {
    "apiserver": ("apiserver.config", "apiserver.app", "Serves the Kubernetes API from a store."),
    "scheduler": ("scheduler.config", "scheduler.app", "Binds pods to nodes."),
    "controllers": (
        "controllers.config",
        "controllers.app",
        "Drives the cluster towards what its objects say.",
    ),
    "node": ("nodeagent.config", "nodeagent.app", "Runs the pods of this machine on a CRI runtime."),
    "proxy": ("serviceproxy.config", "serviceproxy.app", "Programs services and pod routes of this machine."),
    "dns": ("clusterdns.config", "clusterdns.app", "Answers DNS queries for services and pods."),
    "hollow": (
        "nodeagent.hollow.config",
        "nodeagent.hollow.app",
        "Runs nodes without containers, for simulation.",
    ),
}


def main(verb: str, argv: Sequence[str]) -> int:
    """Run the component until it is told to stop."""
    run_component(verb, tuple(argv))
    return 0


def run_component(component: str, argv: tuple[str, ...]) -> None:
    """Parse the flags and run; exits on bad flags."""
    config_module, app_module, text = COMPONENTS[component]
    settings = config.parse(
        importlib.import_module(config_module).Config, argv, prog=f"pelamis {component}", description=text
    )
    level = getattr(settings, "log_level", "info")
    if level not in log.LEVELS:
        sys.exit(f"pelamis {component}: --log-level must be one of {', '.join(log.LEVELS)}")
    log.setup(level)
    app = importlib.import_module(app_module)
    count = getattr(settings, "workers", 1)
    if count > 1:
        one = settings.as_worker()
        run_workers(count, lambda number: tasks.run(lambda: app.run(one)))
    else:
        tasks.run(lambda: app.run(settings))


def preload(components: Sequence[str]) -> None:
    """Import components ahead of forking, so that children start in milliseconds and share the memory of the
    code.

    What has been imported is frozen: a collection in a child would write to every object, and so take a copy
    of every page.
    """
    gc.disable()
    for component in components:
        for name in COMPONENTS[component][:2]:
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    gc.enable()
