"""Leases that are renewed by another one: what reads, writes and watches show."""

from api.coordination.heartbeat import RENEWED_WITH

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
EARLY, LATE = "2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:10.000000Z"


def lease(name, holder, renewed, named=""):
    metadata = {"name": name, **({"annotations": {RENEWED_WITH: named}} if named else {})}
    return {"metadata": metadata, "spec": {"holderIdentity": holder, "renewTime": renewed}}


def renewals(page):
    return {one["metadata"]["name"]: one["spec"]["renewTime"] for one in page["items"]}


async def fill(api, members=3):
    await api.ok("POST", LEASES, lease("group", "h", LATE))
    for number in range(members):
        await api.ok("POST", LEASES, lease(f"n{number}", f"n{number}", EARLY, "group/h"))
    await api.ok("POST", LEASES, lease("solo", "solo", EARLY))


async def test_a_read_shows_the_renewal_of_the_group(api):
    await fill(api)
    assert (await api.ok("GET", f"{LEASES}/n0"))["spec"]["renewTime"] == LATE
    assert (await api.ok("GET", f"{LEASES}/n0", resourceVersion="0"))["spec"]["renewTime"] == LATE
    assert (await api.ok("GET", f"{LEASES}/solo"))["spec"]["renewTime"] == EARLY
    shown = renewals(await api.ok("GET", LEASES))
    assert shown == {"group": LATE, "n0": LATE, "n1": LATE, "n2": LATE, "solo": EARLY}
    everywhere = renewals(await api.ok("GET", "/apis/coordination.k8s.io/v1/leases"))
    assert shown.items() <= everywhere.items()
    selected = await api.ok("GET", LEASES, fieldSelector="metadata.name=n1")
    assert renewals(selected) == {"n1": LATE}


async def test_pages_show_it_even_if_something_changes_between_them(api):
    await fill(api)
    first = await api.ok("GET", LEASES, limit="2")
    later = "2026-01-01T00:00:20.000000Z"
    await api.patch(f"{LEASES}/group", {"spec": {"renewTime": later}})
    rest = await api.ok("GET", LEASES, **{"continue": first["metadata"]["continue"]})
    assert renewals(first)["n0"] == LATE
    assert renewals(rest) == {"n1": later, "n2": later, "solo": EARLY}


async def test_tables_and_metadata_are_still_made_of_them(api):
    await fill(api, 1)
    table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    rows = (await api.ok("GET", f"{LEASES}/n0", None, table))["rows"]
    assert rows[0]["cells"][:2] == ["n0", "n0"]


async def test_whom_a_group_does_not_speak_for(api):
    await api.ok("POST", LEASES, lease("group", "h", LATE))
    await api.ok("POST", LEASES, lease("n0", "n0", EARLY, "group/somebody-else"))
    await api.ok("POST", LEASES, lease("n1", "n1", EARLY, "nobody/h"))
    assert renewals(await api.ok("GET", LEASES)) == {"group": LATE, "n0": EARLY, "n1": EARLY}
    other = LEASES.replace("kube-node-lease", "default")
    await api.ok("POST", other, lease("group", "h", LATE))
    await api.ok("POST", other, lease("n0", "n0", EARLY, "group/h"))
    assert (await api.ok("GET", f"{other}/n0"))["spec"]["renewTime"] == EARLY


async def test_writes_and_watches_tell_what_is_stored(api):
    await fill(api, 1)
    answer = await api.patch(f"{LEASES}/n0", {"metadata": {"labels": {"a": "b"}}})
    assert answer.json["spec"]["renewTime"] == EARLY
    query = {"resourceVersion": answer.json["metadata"]["resourceVersion"]}
    await api.patch(f"{LEASES}/group", {"spec": {"renewTime": "2026-01-01T00:00:20.000000Z"}})
    await api.patch(f"{LEASES}/n0", {"metadata": {"annotations": {RENEWED_WITH: None}}})
    events = await api.watch(LEASES, 1, fieldSelector="metadata.name=n0", **query)
    assert [event["object"]["spec"]["renewTime"] for event in events] == [EARLY]
    assert (await api.ok("GET", f"{LEASES}/n0"))["spec"]["renewTime"] == EARLY
