"""Webhook configurations as they are carried out."""

import pytest

from apiserver.webhooks.hooks import hooks_of


def configuration(name, *webhooks):
    return {"metadata": {"name": name}, "webhooks": list(webhooks)}


def webhook(name="a.b.c", **extra):
    return {"name": name, "clientConfig": {}, "sideEffects": "None", **extra}


def test_they_come_by_the_name_of_the_configuration_then_as_listed():
    hooks = hooks_of([configuration("z", webhook("1")), configuration("a", webhook("3"), webhook("2"))])
    assert [(hook.index, hook.configuration, hook.name) for hook in hooks] == [
        (0, "a", "3"), (1, "a", "2"), (2, "z", "1"),
    ]  # fmt: skip


def test_the_same_webhook_is_told_from_others_of_its_name():
    uids = [hook.uid for hook in hooks_of([configuration("w", webhook(), webhook(), webhook("other"))])]
    assert uids == ["w/a.b.c/0", "w/a.b.c/1", "w/other/0"]


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        pytest.param(["v1", "v1beta1"], "v1", id="first"),
        pytest.param(["v9", "v1beta1", "v1"], "v1beta1", id="first-that-is-known"),
        pytest.param(["v9"], "", id="none"),
    ],
)
def test_review_versions(versions, expected):
    (hook,) = hooks_of([configuration("w", webhook(admissionReviewVersions=versions))])
    assert hook.review == expected


@pytest.mark.parametrize(
    ("expression", "loops"),
    [
        pytest.param("object.a == 1", False, id="plain"),
        pytest.param("object.l.all(x, x > 1)", True, id="all"),
        pytest.param("object.m.transformList(k, v, v)[0] == 1", True, id="transform"),
        pytest.param("object.l.exists(x, authorizer.path(x).check('get').allowed())", False, id="questions"),
    ],
)
def test_loops(expression, loops):
    given = [{"name": "c", "expression": expression}]
    (hook,) = hooks_of([configuration("w", webhook(matchConditions=given))])
    assert hook.loops is loops


def test_a_selector_that_no_server_would_store_now_selects_nothing():
    bad = {"matchExpressions": [{"key": "a", "operator": "Sometimes"}]}
    (hook,) = hooks_of([configuration("w", webhook(objectSelector=bad))])
    assert not hook.objects.matches({"a": "b"})
    assert hook.namespaces.matches({})
