"""Reviews of rights agree with what happens; those of nodes look at selectors."""

REVIEWS = "/apis/authorization.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


async def allowed(api, who, local="", **asked):
    """Ask a (Local)SubjectAccessReview."""
    kind = "localsubjectaccessreviews" if local else "subjectaccessreviews"
    path = f"{REVIEWS}/namespaces/{local}/{kind}" if local else f"{REVIEWS}/{kind}"
    made = await api.ok("POST", path, {"spec": {**who, "resourceAttributes": asked}})
    return made["status"]


async def test_subject_reviews(api):
    account = await api.ok(
        "POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "e2e"}}
    )
    name = "system:serviceaccount:default:e2e"
    groups = ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:default"]
    who = {"user": name, "groups": groups, "uid": account["metadata"]["uid"]}
    asked = {"verb": "list", "resource": "configmaps", "namespace": "default", "version": "v1"}
    as_account = {"Impersonate-User": name, "Impersonate-Uid": account["metadata"]["uid"]}
    assert not (await allowed(api, who, **asked))["allowed"]
    assert not (await allowed(api, {**who, "user": "e2e"}, "default", **asked))["allowed"]
    refused = await api.ask("GET", CONFIGMAPS, headers=as_account)
    assert (refused.status, refused.json["reason"]) == (403, "Forbidden")

    rule = {"verbs": ["list"], "apiGroups": [""], "resources": ["configmaps"]}
    role = {"metadata": {"name": "r"}, "rules": [rule]}
    await api.ok("POST", f"{RBAC}/namespaces/default/roles", role)
    binding = {
        "metadata": {"name": "b"},
        "roleRef": {"kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "e2e", "namespace": "default"}],
    }
    await api.ok("POST", f"{RBAC}/namespaces/default/rolebindings", binding)
    assert (await allowed(api, who, **asked))["allowed"]
    assert (await allowed(api, who, "default", **asked))["allowed"]
    assert (await api.ask("GET", CONFIGMAPS, headers=as_account)).status == 200
    rules = await api.ok(
        "POST", f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {"namespace": "default"}}, headers=as_account
    )
    assert rule in rules["status"]["resourceRules"]
    assert rules["status"]["incomplete"] is False


async def test_nodes_are_judged_with_their_selectors(api):
    who = {"user": "system:node:n", "groups": ["system:nodes"]}
    asked = {"verb": "list", "resource": "pods", "version": "v1"}
    assert not (await allowed(api, who, **asked))["allowed"]
    mine = {"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n"]}]}
    assert (await allowed(api, who, **asked, fieldSelector=mine))["allowed"]
    assert (await allowed(api, who, **asked, fieldSelector={"rawSelector": "spec.nodeName=n"}))["allowed"]
    unknown = {"requirements": [{"key": "spec.nodeName", "operator": "Like", "values": ["n"]}]}
    status = await allowed(api, who, **asked, fieldSelector=unknown)
    assert status["allowed"] is False
    assert status["evaluationError"] == '"Like" is not a valid field selector operator'
    node = {"Impersonate-User": "system:node:n", "Impersonate-Group": "system:nodes"}
    rules = await api.ok(
        "POST", f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {"namespace": "default"}}, headers=node
    )
    assert rules["status"]["incomplete"] is True
    assert rules["status"]["evaluationError"] == "node authorizer does not support user rule resolution"


async def test_a_refused_review(api):
    answer = await api.ask("POST", f"{REVIEWS}/selfsubjectaccessreviews", {"spec": {}})
    assert answer.status == 422
    assert answer.json["details"]["causes"][0]["field"] == "spec.resourceAttributes"
