"""The encryption configuration: what is taken, what is refused, which rule a resource gets."""

import base64

import pytest

from apiserver.encryption.config import parse, rule_of

KEY32 = base64.b64encode(b"k" * 32).decode()


def document(*resources):
    return {
        "kind": "EncryptionConfiguration",
        "apiVersion": "apiserver.config.k8s.io/v1",
        "resources": list(resources),
    }


def rule(names, *providers):
    return {"resources": names, "providers": list(providers)}


def keys(*names):
    return {"keys": [{"name": name, "secret": KEY32} for name in names]}


def test_keys_keep_their_order_and_hide_their_secret():
    (made,) = parse(document(rule(["secrets"], {"aesgcm": keys("b", "a")}, {"identity": {}})))
    assert [(p.kind, [k.name for k in p.keys]) for p in made.providers] == [
        ("aesgcm", ["b", "a"]),
        ("identity", []),
    ]
    assert "kkkk" not in repr(made)


@pytest.mark.parametrize(
    ("group", "plural", "wanted"),
    [
        pytest.param("", "secrets", "secrets", id="by-name"),
        pytest.param("apps", "deployments", "*.apps", id="by-group"),
        pytest.param("", "pods", "*.", id="core-group"),
        pytest.param("batch", "jobs", "*.*", id="all"),
        pytest.param("example.com", "secrets", "*.*", id="same-plural-of-another-group"),
    ],
)
def test_first_rule_wins(group, plural, wanted):
    names = ("secrets", "*.apps", "*.", "*.*")
    rules = parse(document(*(rule([name], {"identity": {}}) for name in names)))
    found = rule_of(rules, group, plural)
    assert found is not None
    assert found.resources == (wanted,)


def test_no_rule():
    assert rule_of(parse(document(rule(["secrets"], {"identity": {}}))), "", "pods") is None


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        pytest.param(None, "not an EncryptionConfiguration", id="empty"),
        pytest.param({"kind": "EncryptionConfiguration"}, "apiVersion", id="version"),
        pytest.param(document(), "resources: at least one", id="no-rules"),
        pytest.param(
            document(rule([], {"identity": {}})), "resources[0].resources: at least one", id="no-names"
        ),
        pytest.param(
            document(rule(["*"], {"identity": {}})), "resources[0].resources[0]: '*' is no", id="star"
        ),
        pytest.param(document(rule(["secrets"])), "resources[0].providers: at least", id="no-providers"),
        pytest.param(document(rule(["secrets"], {"kms": {}})), "'kms' is not supported", id="kms"),
        pytest.param(
            document(rule(["secrets"], {"identity": {}, "aescbc": {}})), "exactly one of", id="two-in-one"
        ),
        pytest.param(
            document(rule(["secrets"], {"aescbc": keys("a", "a")})), "names must be unique", id="twice"
        ),
        pytest.param(
            document(rule(["secrets"], {"secretbox": {"keys": [{"name": "a", "secret": "AAAA"}]}})),
            "keys[0].secret: must have 32 bytes, has 3",
            id="short-key",
        ),
        pytest.param(
            document(rule(["secrets"], {"aesgcm": {"keys": [{"name": "a", "secret": "*"}]}})),
            "keys[0].secret: must be base64",
            id="not-base64",
        ),
        pytest.param(
            document(rule(["secrets"], {"aesgcm": {"keys": [{"name": "a:b", "secret": KEY32}]}})),
            "keys[0].name: a name without colons",
            id="colon",
        ),
    ],
)
def test_refused(given, fault):
    with pytest.raises(ValueError, match=r".") as caught:
        parse(given)
    assert fault in str(caught.value)
