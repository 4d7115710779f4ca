"""Priority and fairness in a whole server: a flood does not reach the nodes' requests."""

import asyncio

import orjson
import pytest

from api.types.coordination_v1 import LEASES
from api.types.core_v1 import CONFIGMAPS, NODES
from api.types.flowcontrol_v1 import FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS
from apiserver.app import build
from apiserver.config import Config
from apiserver.filters.fairness import FLOW_SCHEMA_UID, PRIORITY_LEVEL_UID, seats_of
from apiserver.http import router
from apiserver.http.message import Request, User
from kit.metrics import REGISTRY
from store.memory import MemoryBackend
from tests.integration.apiserver.cases.crud import watching

NODE = User("system:node:n1", ("system:nodes", "system:authenticated"))
MASTER = User("admin", ("system:masters", "system:authenticated"))


class SlowBackend(MemoryBackend):
    """A memory store whose writes take a while once `turtle` is set, as a disk does."""

    turtle = False

    async def create(self, *args, **kwargs):
        if self.turtle:
            await asyncio.sleep(0.02)
        return await super().create(*args, **kwargs)


@pytest.fixture
async def small():
    """A server with thirty seats."""
    backend = SlowBackend()
    config = Config(
        max_requests_inflight=20,
        max_mutating_requests_inflight=10,
        authorization_mode=("AlwaysAllow",),
        disable_admission_plugins=("ServiceAccount", "NodeRestriction"),
    )
    made = await build(config, backend)
    yield made
    await made.close()
    await backend.close()


async def ask(server, user, method, path, body=None):
    request = Request(
        method,
        path,
        {},
        {"content-type": "application/json"},
        orjson.dumps(body) if body is not None else b"",
    )
    request.user = user
    return await server.handle(request)


def metric(name, **labels):
    """Return the sum of a metric's samples with these labels."""
    total = 0.0
    for line in REGISTRY.render().decode().splitlines():
        key, _, value = line.rpartition(" ")
        if key.partition("{")[0] == name and all(f'{k}="{v}"' in key for k, v in labels.items()):
            total += float(value)
    return total


def config_map(number):
    return {"metadata": {"name": f"flood-{number}"}}


async def test_a_flood_is_refused_and_nodes_do_not_wait(small):
    tenant = User("tenant", ("system:authenticated",))
    await ask(small, MASTER, "POST", NODES.path(), {"metadata": {"name": "n1"}})
    node = {"metadata": {"name": "n1"}, "status": {"conditions": []}}
    lease = {"metadata": {"name": "n1"}, "spec": {"holderIdentity": "n1"}}
    await ask(small, MASTER, "POST", LEASES.path("kube-node-lease"), lease)
    small.backend.turtle = True
    waits = "apiserver_flowcontrol_request_wait_duration_seconds_count"
    before = metric(waits, flow_schema="system-node-high")
    async with asyncio.TaskGroup() as group:
        flood = [
            group.create_task(ask(small, tenant, "POST", CONFIGMAPS.path("default"), config_map(number)))
            for number in range(800)
        ]
        codes = []
        while not all(task.done() for task in flood):
            renewed = await ask(small, NODE, "PUT", LEASES.path("kube-node-lease", "n1"), lease)
            status = await ask(small, NODE, "PUT", NODES.path("", "n1", "status"), node)
            codes += [renewed.status, status.status]
            await asyncio.sleep(0.005)
    answers = [task.result() for task in flood]
    refused = [answer for answer in answers if answer.status == 429]
    assert {answer.status for answer in answers} == {201, 429}
    # Six queues of fifty, and at most all seats: what is more is refused at once.
    assert len(refused) >= 800 - 6 * 50 - 30
    assert refused[0].headers["Retry-After"] == "1"
    assert orjson.loads(refused[0].body)["reason"] == "TooManyRequests"
    assert set(codes) == {200}
    assert metric(waits, flow_schema="system-node-high") == before
    assert metric(waits, flow_schema="global-default", execute="true") > 0
    rejected = "apiserver_flowcontrol_rejected_requests_total"
    assert metric(rejected, flow_schema="global-default", reason="queue-full") == len(refused)
    assert metric("apiserver_flowcontrol_current_executing_seats") == 0
    assert not small.flow_control.pool.waiting


async def test_one_user_s_flood_does_not_hold_up_another_one(small):
    """Both are of the same level; each has a queue of its own."""
    tenant, modest = (User(name, ("system:authenticated",)) for name in ("tenant", "modest"))
    small.backend.turtle = True
    done = []

    async def write(user, number):
        answer = await ask(small, user, "POST", CONFIGMAPS.path("default"), config_map(number))
        done.append((user, answer.status))

    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(write(tenant, number))
        await asyncio.sleep(0)
        for number in range(200, 205):
            group.create_task(write(modest, number))
    assert {status for _, status in done} == {201}
    last = max(place for place, (user, _) in enumerate(done) if user is modest)
    assert last < 100


async def test_a_request_that_gives_up_leaves_the_queue(small):
    tenant = User("tenant", ("system:authenticated",))
    small.backend.turtle = True
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(ask(small, tenant, "POST", CONFIGMAPS.path("default"), config_map(number)))
            for number in range(100)
        ]
        await asyncio.sleep(0.01)
        for task in tasks[::2]:
            task.cancel()
    assert sum(task.cancelled() for task in tasks) == 50
    assert {task.result().status for task in tasks if not task.cancelled()} == {201}
    assert all(level.idle and not level.used for level in small.flow_control.levels.values())


async def test_a_level_that_goes_serves_who_waits(small):
    """The tenant's level is deleted during a flood: nobody is lost, and the suggested level comes back."""
    tenant = User("tenant", ("system:authenticated",))
    small.backend.turtle = True
    path = PRIORITYLEVELCONFIGURATIONS.path("", "global-default")
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(ask(small, tenant, "POST", CONFIGMAPS.path("default"), config_map(number)))
            for number in range(80)
        ]
        await asyncio.sleep(0.005)
        assert (await ask(small, MASTER, "DELETE", path)).status == 200
        later = await ask(small, tenant, "GET", CONFIGMAPS.path("default", "flood-0"))
        leaving = small.flow_control.levels["global-default"].leaving
    assert leaving
    assert later.headers[FLOW_SCHEMA_UID] == small.flow_control.schemas["catch-all"].uid
    assert {task.result().status for task in tasks} == {201}
    small.flow_control.refresh()
    assert "global-default" not in small.flow_control.levels
    await small.bootstrap.ensure()
    small.flow_control.refresh()
    assert not small.flow_control.levels["global-default"].leaving


async def test_long_lists_take_more_seats(small):
    for number in range(250):
        await ask(small, MASTER, "POST", CONFIGMAPS.path("default"), config_map(number))
    await small.hub.fresh()

    def seats(path, **query):
        request = Request("GET", path, {name: [value] for name, value in query.items()}, {})
        request.info = router.parse("GET", path, request.query, small.hub.lookup)
        return seats_of(request, small.hub)

    assert seats(CONFIGMAPS.path("default")) == 3
    assert seats(CONFIGMAPS.path()) == 3
    assert seats(CONFIGMAPS.path("default"), limit="120") == 2
    assert seats(CONFIGMAPS.path("default"), limit="0") == 3
    assert seats(CONFIGMAPS.path("default"), fieldSelector="metadata.name=x") == 1
    assert seats("/apis/nowhere.example.com/v1/things") == 1


async def test_who_waits_is_shown(small):
    tenant = User("tenant", ("system:authenticated",))
    small.backend.turtle = True
    async with asyncio.TaskGroup() as group:
        for number in range(60):
            group.create_task(ask(small, tenant, "POST", CONFIGMAPS.path("default"), config_map(number)))
        await asyncio.sleep(0.005)
        queues = await ask(small, MASTER, "GET", "/debug/api_priority_and_fairness/dump_queues")
        waiting = metric("apiserver_flowcontrol_current_inqueue_requests", flow_schema="global-default")
        path = "/debug/api_priority_and_fairness/dump_requests"
        shown = await small.handle(_with_details(path))
    rows = [line.split() for line in queues.body.decode().splitlines() if "global-default" in line]
    assert sum(int(row[2].rstrip(",")) for row in rows) == waiting > 0
    lines = shown.body.decode().splitlines()
    assert lines[0].split()[-8:] == [
        "UserName,", "Verb,", "APIPath,", "Namespace,", "Name,", "APIVersion,", "Resource,", "SubResource",
    ]  # fmt: skip
    row = [cell.strip() for cell in lines[1].split(",")]
    assert (row[0], row[1], row[4]) == ("global-default", "global-default", "tenant")
    assert row[9:] == ["tenant", "create", CONFIGMAPS.path("default"), "default", "", "v1", "configmaps", ""]


def _with_details(path):
    request = Request("GET", path, {"includeRequestDetails": ["1"]}, {})
    request.user = MASTER
    return request


async def test_the_time_in_the_queue_is_limited(small):
    tenant = User("tenant", ("system:authenticated",))
    small.flow_control._wait_s = 0.0
    small.backend.turtle = True
    tasks = [ask(small, tenant, "POST", CONFIGMAPS.path("default"), config_map(n)) for n in range(60)]
    answers = await asyncio.gather(*tasks)
    assert {answer.status for answer in answers} == {201, 429}
    assert small.flow_control.schemas["global-default"].rejected["time-out"] > 0
    assert not small.flow_control.pool.waiting


async def test_headers_name_the_objects_and_changes_count_at_once(api, server):
    level = {
        "metadata": {"name": "mine"},
        "spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}},
    }
    subjects = [{"kind": "User", "user": {"name": "noxu"}}]
    rules = [{"subjects": subjects, "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}]
    spec = {"matchingPrecedence": 500, "priorityLevelConfiguration": {"name": "mine"}, "rules": rules}
    made = await api.ok("POST", PRIORITYLEVELCONFIGURATIONS.path(), level)
    schema = await api.ok("POST", FLOWSCHEMAS.path(), {"metadata": {"name": "mine"}, "spec": spec})
    await server.hub.fresh()
    answer = await api.ask("GET", "/version", headers={"Impersonate-User": "noxu"})
    assert answer.headers[FLOW_SCHEMA_UID] == schema["metadata"]["uid"]
    assert answer.headers[PRIORITY_LEVEL_UID] == made["metadata"]["uid"]
    other = await api.ask("GET", "/api/v1/pods", headers={"Impersonate-User": "foo"})
    assert other.status == 403
    assert other.headers[FLOW_SCHEMA_UID]
    assert other.headers[FLOW_SCHEMA_UID] != schema["metadata"]["uid"]


async def test_dangling_is_told(api):
    spec = {"matchingPrecedence": 500, "priorityLevelConfiguration": {"name": "later"}}
    await api.ok("POST", FLOWSCHEMAS.path(), {"metadata": {"name": "early"}, "spec": spec})
    level = {
        "metadata": {"name": "later"},
        "spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}},
    }

    def is_(status):
        return lambda obj: (
            obj["metadata"]["name"] == "early"
            and {(item["type"], item["status"]) for item in obj["status"].get("conditions", [])}
            == {("Dangling", status)}
        )

    async with watching(api, FLOWSCHEMAS.path(), resourceVersion="1") as watch:
        await watch.until("MODIFIED", is_("True"))
        await api.ok("POST", PRIORITYLEVELCONFIGURATIONS.path(), level)
        await watch.until("MODIFIED", is_("False"))


async def test_suggested_specs_are_kept_while_nobody_takes_them_over(server, api):
    path = PRIORITYLEVELCONFIGURATIONS.path("", "workload-low")
    changed = {"spec": {"limited": {"nominalConcurrencyShares": 7}}}
    await api.patch(path, changed)
    await server.hub.fresh()
    await server.bootstrap.ensure()
    assert (await api.ok("GET", path))["spec"]["limited"]["nominalConcurrencyShares"] == 100
    mine = {**changed, "metadata": {"annotations": {"apf.kubernetes.io/autoupdate-spec": "false"}}}
    await api.patch(path, mine)
    await server.hub.fresh()
    await server.bootstrap.ensure()
    assert (await api.ok("GET", path))["spec"]["limited"]["nominalConcurrencyShares"] == 7


async def test_what_is_no_longer_suggested_goes(server, api):
    spec = {"matchingPrecedence": 500, "priorityLevelConfiguration": {"name": "system"}}
    for name, value in (("old", "true"), ("mine", "false")):
        notes = {"apf.kubernetes.io/autoupdate-spec": value}
        body = {"metadata": {"name": name, "annotations": notes}, "spec": spec}
        await api.ok("POST", FLOWSCHEMAS.path(), body)
    await server.bootstrap.ensure()
    assert (await api.ask("GET", FLOWSCHEMAS.path("", "old"))).status == 404
    assert (await api.ask("GET", FLOWSCHEMAS.path("", "mine"))).status == 200


async def test_tables_for_debugging(api):
    base = "/debug/api_priority_and_fairness/dump_"
    levels = (await api.ask("GET", base + "priority_levels")).body.decode().splitlines()
    assert levels[0].split(",")[0] == "PriorityLevelName"
    assert {line.split(",")[0] for line in levels[1:]} >= {"exempt", "catch-all", "system", "workload-low"}
    assert (await api.ask("GET", base + "queues")).body.startswith(b"PriorityLevelName,")
    assert (await api.ask("GET", base + "requests")).body.count(b"\n") == 1


async def test_without_it_the_old_limits_hold(pki):
    backend = SlowBackend()
    config = Config(
        enable_priority_and_fairness=False,
        max_mutating_requests_inflight=2,
        authorization_mode=("AlwaysAllow",),
    )
    server = await build(config, backend)
    backend.turtle = True
    tenant = User("tenant", ("system:authenticated",))
    tasks = [ask(server, tenant, "POST", CONFIGMAPS.path("default"), config_map(n)) for n in range(10)]
    codes = [answer.status for answer in await asyncio.gather(*tasks)]
    assert (codes.count(201), codes.count(429)) == (2, 8)
    await server.close()
    await backend.close()
