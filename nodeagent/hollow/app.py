"""A process of hollow nodes: the real agent, many times over, on runtimes without containers.

With one `--kubeconfig` all nodes share one client, one watch of all pods and one heartbeat; with
`--kubeconfig-template` each is itself. Called by the command line.
"""

from kit.tasks import Tasks
from nodeagent.hollow.config import Config
from nodeagent.hollow.fleet import Fleet, names_of, new_service
from nodeagent.hollow.server import HollowServer


async def run(config: Config) -> None:
    """Run all nodes until cancelled."""
    if config.serve_cri:
        await _serve_cri(config)
        return
    fleet = Fleet(config)
    try:
        await fleet.start()
        await fleet.wait()
    finally:
        await fleet.close()


async def _serve_cri(config: Config) -> None:
    tasks = Tasks()
    servers = [
        HollowServer(new_service(config, name, tasks), config.root_dir / name / "cri.sock")
        for name in names_of(config)
    ]
    for server in servers:
        await server.start()
    try:
        await tasks.wait()
    finally:
        await tasks.close()
        for server in servers:
            await server.close()
