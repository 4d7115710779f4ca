"""When a node reports its status, on a virtual clock, with a dictionary for the API."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kit import rand
from kit.tasks import Tasks
from nodeagent.hollow.config import Config
from nodeagent.hollow.fleet import hollow_machine, new_service, node_spec
from nodeagent.hollow.inprocess import InProcessRuntime
from nodeagent.machine import Load
from nodeagent.node import NodeKeeper

pytestmark = pytest.mark.looptime(start=0)
REPORT_S = 300.0


class Nodes:
    """Takes what a keeper writes: (kind of write, when)."""

    def __init__(self):
        self.object, self.writes = {}, []

    async def create(self, _resource, obj):
        self.writes.append(("create", asyncio.get_running_loop().time()))
        self.object = {**obj, "metadata": {**obj["metadata"], "uid": "u"}}
        return self.object

    async def patch(self, _resource, _name, _namespace, body, **_options):
        self.writes.append(("patch", asyncio.get_running_loop().time()))
        self.object = {**self.object, "status": {**self.object["status"], **body["status"]}}
        return self.object


def keeper_of(number, tasks):
    config, name = Config(root_dir=Path("/none"), keep_state=False), f"n{number}"
    nodes = Nodes()
    runtime = InProcessRuntime(new_service(config, name, tasks))
    spec, machine = node_spec(config, name, number, 10250), hollow_machine(config, name)
    client: Any = nodes
    return NodeKeeper(client, runtime, spec, machine, Load), nodes


async def test_a_node_registers_with_its_status_in_one_write():
    tasks = Tasks()
    keeper, nodes = keeper_of(1, tasks)
    node = await keeper.register()
    assert {one["type"]: one["status"] for one in node["status"]["conditions"]}["Ready"] == "True"
    running = tasks.spawn(keeper.run(10.0, REPORT_S), "status")
    await asyncio.sleep(REPORT_S / 2 - 1)
    assert [kind for kind, _ in nodes.writes] == ["create"]
    running.cancel()


async def test_nodes_that_started_together_report_apart():
    rand.seed(7)
    tasks = Tasks()
    keepers = [keeper_of(number, tasks) for number in range(200)]
    for keeper, _ in keepers:
        await keeper.register()
        tasks.spawn(keeper.run(REPORT_S, REPORT_S), "status")
    await asyncio.sleep(1.6 * REPORT_S)
    reports = [[at for kind, at in nodes.writes if kind == "patch"] for _, nodes in keepers]
    first = sorted(times[0] for times in reports)
    assert REPORT_S / 2 <= first[0] < first[-1] <= REPORT_S * 1.5
    # No tenth of the time has more than a fifth of them.
    assert all(sum(low <= at < low + 30 for at in first) < 40 for low in range(150, 450, 30))
    await asyncio.sleep(2 * REPORT_S)
    again = [[at for kind, at in nodes.writes if kind == "patch"] for _, nodes in keepers]
    assert all(abs(times[1] - times[0] - REPORT_S) < 1 for times in again)
    await tasks.close()
