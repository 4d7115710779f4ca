"""What the options of requests may say, alone and together; and what follows where they are fine."""

import pytest

from tests.integration.apiserver.cases.crud import watching

CMS = "/api/v1/namespaces/default/configmaps"
MATCH = "resourceVersionMatch"


async def complaints(api, method, path, body=None, headers=None, **query):
    answer = await api.ask(method, path, body, headers, **query)
    assert answer.status == 422, answer.body
    return [f"{cause['field']}: {cause['message']}" for cause in answer.json["details"]["causes"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(
            {MATCH: "Exact"},
            [f"{MATCH}: Forbidden: {MATCH} is forbidden unless resourceVersion is provided"],
            id="match-of-nothing",
        ),
        pytest.param(
            {MATCH: "Odd", "resourceVersion": "1"},
            [f'{MATCH}: Unsupported value: "Odd": supported values: "Exact", "NotOlderThan", ""'],
            id="odd-match",
        ),
        pytest.param(
            {MATCH: "Exact", "resourceVersion": "0"},
            [f'{MATCH}: Forbidden: {MATCH} "exact" is forbidden for resourceVersion "0"'],
            id="exactly-anything",
        ),
        pytest.param(
            {MATCH: "NotOlderThan", "resourceVersion": "0", "continue": "x"},
            [f"{MATCH}: Forbidden: {MATCH} is forbidden when continue is provided"],
            id="match-and-continue",
        ),
        pytest.param(
            {"sendInitialEvents": "true"},
            ["sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"],
            id="events-of-a-list",
        ),
        pytest.param(
            {"watch": "1", "sendInitialEvents": "false"},
            [f"{MATCH}: Forbidden: sendInitialEvents requires setting {MATCH} to NotOlderThan"],
            id="initial-events-without-match",
        ),
        pytest.param(
            {"watch": "true", MATCH: "Exact", "resourceVersion": "1"},
            [
                f"{MATCH}: Forbidden: {MATCH} is forbidden for watch unless sendInitialEvents is provided",
                f'{MATCH}: Unsupported value: "Exact": supported values: "NotOlderThan"',
            ],
            id="match-of-a-watch",
        ),
    ],
)
async def test_what_a_read_may_not_ask(api, query, expected):
    assert await complaints(api, "GET", CMS, **query) == expected


async def test_requests_that_make_no_sense(api):
    async def message(path=CMS, **query):
        answer = await api.ask("GET", path, **query)
        assert (answer.status, answer.json["reason"]) == (400, "BadRequest")
        return answer.json["message"]

    token = {"continue": "x", "resourceVersion": "1"}
    assert await message(**token) == "specifying resource version is not allowed when using continue"
    assert (await message(**{"continue": "x"})).startswith("invalid continue token: ")
    assert await message(limit="x") == 'strconv.ParseInt: parsing "x": invalid syntax'
    jobs = "/apis/batch/v1/namespaces/default/jobs"
    assert await message(jobs, fieldSelector="spec.x=1") == 'field label "spec.x" not supported for Job'
    sets = "/apis/apps/v1/namespaces/default/statefulsets"
    text = "field label not supported for appsv1.StatefulSet: spec.x"
    assert await message(sets, fieldSelector="spec.x=1") == text
    pods = "/api/v1/namespaces/default/pods"
    assert await message(pods, fieldSelector="spec.x=1") == "field label not supported: spec.x"
    assert (await api.ask("GET", CMS, whatever="1", pretty="true")).status == 200


@pytest.mark.parametrize(
    ("method", "query", "body", "expected"),
    [
        pytest.param(
            "POST",
            {"dryRun": "Some"},
            {},
            ['dryRun: Unsupported value: ["Some"]: supported values: "All"'],
            id="dry",
        ),
        pytest.param(
            "POST",
            {"fieldValidation": "Odd"},
            {},
            ['fieldValidation: Unsupported value: "Odd": supported values: "", "Ignore", "Strict", "Warn"'],
            id="validation",
        ),
        pytest.param(
            "POST",
            {"fieldManager": "a" * 129},
            {},
            ["fieldManager: Too long: may not be more than 128 bytes"],
            id="long-manager",
        ),
        pytest.param(
            "POST",
            {"fieldManager": "a\x07"},
            {},
            ['fieldManager: Invalid value: "a\x07": should not contain unprintable characters'],
            id="odd-manager",
        ),
        pytest.param(
            "DELETE",
            {},
            {"propagationPolicy": "Odd", "orphanDependents": True, "dryRun": ["x"]},
            [
                'propagationPolicy: Invalid value: "Odd": orphanDependents and deletionPropagation cannot '
                "be both set",
                'propagationPolicy: Unsupported value: "Odd": supported values: "Foreground", "Background", '
                '"Orphan", "nil"',
                'dryRun: Unsupported value: ["x"]: supported values: "All"',
            ],
            id="deletion",
        ),
    ],
)
async def test_what_a_write_may_not_ask(api, method, query, body, expected):
    assert await complaints(api, method, CMS, body, **query) == expected


async def test_a_collection_is_deleted_by_the_rules_of_lists(api):
    assert await complaints(api, "DELETE", CMS, resourceVersionMatch="Exact") == [
        f"{MATCH}: Forbidden: {MATCH} is forbidden unless resourceVersion is provided"
    ]


async def test_only_apply_is_forced(api):
    await api.ok("POST", CMS, {"metadata": {"name": "a"}})
    answer = await api.patch(f"{CMS}/a", {}, force="true")
    assert answer.status == 422
    assert (
        answer.json["details"]["causes"][0]["message"]
        == "Forbidden: may not be specified for non-apply patch"
    )
    answer = await api.patch(f"{CMS}/a", b"kind: ConfigMap\napiVersion: v1\n", "apply", force="true")
    assert answer.json["details"]["causes"][0]["message"] == "Required value: is required for apply patch"


async def test_the_old_form_of_a_watch(api):
    await api.ok("POST", CMS, {"metadata": {"name": "a"}})
    await api.ok("POST", CMS, {"metadata": {"name": "b"}})
    async with watching(api, "/api/v1/watch/namespaces/default/configmaps/b") as watch:
        kind, obj = await watch.event()
        assert (kind, obj["metadata"]["name"]) == ("ADDED", "b")
        await api.patch(f"{CMS}/a", {"data": {"x": "y"}})
        await api.patch(f"{CMS}/b", {"data": {"x": "y"}})
        kind, obj = await watch.event()
        assert (kind, obj["metadata"]["name"]) == ("MODIFIED", "b")


async def test_the_list_that_is_a_watch(api):
    """Informers: what is there, a bookmark that says so, then what happens."""
    await api.ok("POST", CMS, {"metadata": {"name": "a"}})
    query = {"sendInitialEvents": "true", MATCH: "NotOlderThan", "allowWatchBookmarks": "true"}
    async with watching(api, CMS, **query, fieldSelector="metadata.name=a") as watch:
        assert (await watch.event())[0] == "ADDED"
        kind, obj = await watch.event()
        assert kind == "BOOKMARK"
        assert obj["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        revision = obj["metadata"]["resourceVersion"]
        changed = (await api.patch(f"{CMS}/a", {"data": {"x": "y"}})).json
        assert await watch.event() == ("MODIFIED", changed)
        assert int(changed["metadata"]["resourceVersion"]) > int(revision)


async def test_selectors_of_services(api):
    services = "/api/v1/namespaces/default/services"
    await api.ok("POST", services, {"metadata": {"name": "s"}, "spec": {"clusterIP": "None"}})
    for selector in ("spec.clusterIP=None", "spec.type=ClusterIP,metadata.name!=kubernetes"):
        found = await api.ok("GET", services, fieldSelector=selector)
        assert [item["metadata"]["name"] for item in found["items"]] == ["s"]


async def test_generated_names(api):
    long = "a" * 80
    made = await api.ok("POST", CMS, {"metadata": {"generateName": long}})
    name = made["metadata"]["name"]
    assert (name[:58], len(name)) == ("a" * 58, 63)
    answer = await api.ask("POST", CMS, {"metadata": {}})
    assert answer.json["details"]["causes"] == [
        {
            "reason": "FieldValueRequired",
            "message": "Required value: name or generateName is required",
            "field": "metadata.name",
        }
    ]


async def test_preconditions(api):
    made = (await api.ok("POST", CMS, {"metadata": {"name": "a"}}))["metadata"]
    wrong = {"preconditions": {"uid": "other"}}
    answer = await api.ask("DELETE", f"{CMS}/a", wrong)
    assert (answer.status, answer.json["message"]) == (
        409,
        'Operation cannot be fulfilled on configmaps "a": Precondition failed: UID in precondition: '
        "other, UID in "
        f"object meta: {made['uid']}",
    )
    answer = await api.ask("DELETE", f"{CMS}/a", {"preconditions": {"resourceVersion": "1"}})
    assert answer.json["message"] == (
        'Operation cannot be fulfilled on configmaps "a": Precondition failed: ResourceVersion in '
        "precondition: 1, "
        f"ResourceVersion in object meta: {made['resourceVersion']}"
    )
    answer = await api.ask("PUT", f"{CMS}/a", {"metadata": {"name": "a", "uid": "other"}})
    assert (answer.status, answer.json["reason"]) == (409, "Conflict")
    right = {"uid": made["uid"], "resourceVersion": made["resourceVersion"]}
    await api.ok("DELETE", f"{CMS}/a", {"preconditions": right})


async def test_warnings(api):
    """What is legal but surely not meant comes with a warning; the object is made all the same."""

    async def warned(path, body):
        answer = await api.ask("POST", path, body)
        assert answer.status == 201, answer.body
        return answer.headers.getall("Warning", [])

    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i", "env": [{"name": "A"}, {"name": "A"}]}]},
    }
    hidden = 'env[1]: hides previous definition of \\"A\\", which may be dropped when using apply"'
    pods = {"metadata": {"name": "p"}, "spec": template["spec"]}
    assert await warned("/api/v1/namespaces/default/pods", pods) == [f'299 - "spec.containers[0].{hidden}']
    body = {"metadata": {"name": "t"}, "template": template}
    (told,) = await warned("/api/v1/namespaces/default/podtemplates", body)
    assert told == f'299 - "template.spec.containers[0].{hidden}'
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    body = {"metadata": {"name": "a.b"}, "spec": spec}
    first, second = await warned("/apis/apps/v1/namespaces/default/deployments", body)
    assert first.startswith('299 - "metadata.name: this is used in Pod names and hostnames')
    assert second == f'299 - "spec.template.spec.containers[0].{hidden}'
    path = "/apis/apps/v1/namespaces/default/deployments/a.b"
    noted = await api.patch(path, {"metadata": {"labels": {"x": "y"}}})
    assert (noted.json["metadata"]["generation"], "Warning" in noted.headers) == (1, False)
    noted = await api.patch(path, {"metadata": {"annotations": {"x": "y"}}})
    assert noted.json["metadata"]["generation"] == 2
    assert noted.headers.getall("Warning") == [second]
    headless = {"ports": [{"port": 80}], "clusterIP": "None", "externalIPs": ["1.2.3.4"]}
    body = {"metadata": {"name": "s"}, "spec": headless}
    assert await warned("/api/v1/namespaces/default/services", body) == [
        '299 - "spec.externalIPs is ignored when spec.clusterIP is \\"None\\""'
    ]
    answer = await api.ask("GET", "/api/v1/namespaces/default/endpoints")
    assert answer.headers.getall("Warning") == [
        '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
    ]
