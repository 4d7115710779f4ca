"""What a definition says besides its schemas: names, versions, conversion, columns, scale."""

import pytest

from api.apiextensions.customresourcedefinition import (
    defaults,
    validate,
    validate_status_update,
    validate_update,
)
from api.crd.fieldpath import resolve
from tests.unit.api.apiextensions.definitions import definition

_V = "spec.versions[0]"


def _words(obj):
    return [str(error) for error in validate(obj)]


def _names(**names):
    given = {"plural": "boxes", "singular": "box", "kind": "Box", "listKind": "BoxList", **names}
    return definition(spec={"names": given})


def _webhook(**webhook):
    config = {"service": {"namespace": "n", "name": "s", "port": 443}}
    whole = {"clientConfig": config, "conversionReviewVersions": ["v1"], **webhook}
    return definition(spec={"conversion": {"strategy": "Webhook", "webhook": whole}})


def test_defaults_make_it_whole():
    spec = definition()["spec"]
    assert spec["names"] == {"plural": "boxes", "kind": "Box", "singular": "box", "listKind": "BoxList"}
    assert spec["conversion"] == {"strategy": "None"}
    assert _words(definition()) == []
    assert _words(_webhook()) == []


_MUST_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def _with_strategy(strategy, webhook=None):
    webhook = {"webhook": webhook} if webhook else {}
    return {**definition()["spec"], "conversion": {"strategy": strategy, **webhook}}


_MUST_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
    "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        pytest.param(
            definition(spec={"group": "example"}),
            [
                'metadata.name: Invalid value: "boxes.example.com": must be spec.names.plural+"."+spec.group',
                'spec.group: Invalid value: "example": should be a domain with at least one dot',
            ],
            id="group-without-dot",
        ),
        pytest.param(
            definition(spec={"scope": "World"}),
            ['spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced"'],
            id="scope",
        ),
        pytest.param(
            _names(shortNames=["Bx"]),
            [f'spec.names.shortNames[0]: Invalid value: "Bx": {_MUST_1035}'],
            id="short-name",
        ),
        pytest.param(
            _names(kind="B x"),
            [
                'spec.names.kind: Invalid value: "B x": may have mixed case, but should otherwise match: '
                + _MUST_1035
            ],
            id="kind",
        ),
        pytest.param(
            _names(listKind="Box"),
            ['spec.names.listKind: Invalid value: "Box": kind and listKind may not be the same'],
            id="list-kind",
        ),
        pytest.param(
            definition(spec={"group": "Example.com"}, schema=None),
            [
                'metadata.name: Invalid value: "boxes.example.com": must be spec.names.plural+"."+spec.group',
                f'spec.group: Invalid value: "Example.com": {_MUST_SUBDOMAIN}',
            ],
            id="group-in-capitals",
        ),
        pytest.param(
            defaults(
                {"metadata": {"name": "x"}, "spec": {"group": "", "scope": "", "names": {}, "versions": []}}
            ),
            [
                'metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group',
                "spec.group: Required value",
                "spec.scope: Required value",
                "spec.versions: Invalid value: []: must have exactly one version marked as storage version",
                "spec.names.plural: Required value",
                "spec.names.singular: Required value",
                "spec.names.kind: Required value",
                "spec.names.listKind: Required value",
            ],
            id="empty",
        ),
        pytest.param(
            definition(name="V1"),
            [f'{_V}.name: Invalid value: "V1": {_MUST_1035}'],
            id="version",
        ),
        pytest.param(
            definition(spec={"conversion": {"strategy": ""}}) | {"spec": _with_strategy("")},
            ["spec.conversion.strategy: Required value"],
            id="no-strategy",
        ),
        pytest.param(
            _webhook(clientConfig={})
            | {"spec": _with_strategy("None", {"conversionReviewVersions": ["v1"]})},
            [
                "spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not "
                "set to Webhook"
            ],
            id="webhook-without-strategy",
        ),
        pytest.param(
            definition(deprecated=True, deprecationWarning=""),
            [f'{_V}.deprecationWarning: Invalid value: "": must not be an empty string'],
            id="empty-warning",
        ),
        pytest.param(
            definition(deprecated=True, deprecationWarning="x" * 257),
            [f'{_V}.deprecationWarning: Invalid value: "{"x" * 257}": must be <= 256 characters long'],
            id="long-warning",
        ),
        pytest.param(
            definition(subresources={"scale": {"labelSelectorPath": "x"}}),
            [
                "spec.subresources.scale.specReplicasPath: Required value",
                "spec.subresources.scale.statusReplicasPath: Required value",
                'spec.subresources.scale.labelSelectorPath: Invalid value: "x": must be a simple json path '
                "starting with .",
            ],
            id="empty-scale",
        ),
        pytest.param(
            definition(additionalPrinterColumns=[{"name": "x"}]),
            [
                "spec.additionalPrinterColumns[0].type: Required value: must be one of "
                "boolean,date,integer,number,string",
                "spec.additionalPrinterColumns[0].JSONPath: Required value",
            ],
            id="empty-column",
        ),
        pytest.param(
            definition(deprecationWarning="old"),
            [f'{_V}.deprecationWarning: Invalid value: "old": can only be set for deprecated versions'],
            id="warning",
        ),
        pytest.param(
            definition(deprecated=True, deprecationWarning="a\tb"),
            [
                f'{_V}.deprecationWarning: Invalid value: "a\tb": must only contain printable UTF-8 '
                "characters; non-printable character found at index 1"
            ],
            id="unprintable-warning",
        ),
        pytest.param(
            definition(schema=None)
            | {"spec": definition()["spec"] | {"versions": [{"name": "v1", "storage": True}]}},
            [f"{_V}.schema.openAPIV3Schema: Required value: schemas are required"],
            id="no-schema",
        ),
        pytest.param(
            definition(subresources={"scale": {"specReplicasPath": ".n", "statusReplicasPath": "n"}}),
            [
                'spec.subresources.scale.specReplicasPath: Invalid value: ".n": should be a json path under '
                ".spec",
                'spec.subresources.scale.statusReplicasPath: Invalid value: "n": must be a simple json path '
                "starting with .",
            ],
            id="scale",
        ),
        pytest.param(
            definition(
                subresources={
                    "scale": {
                        "specReplicasPath": ".spec.n",
                        "statusReplicasPath": ".status.n",
                        "labelSelectorPath": ".other.s",
                    }
                }
            ),
            [
                'spec.subresources.scale.labelSelectorPath: Invalid value: ".other.s": should be a json '
                "path under either .spec or .status"
            ],
            id="scale-selector",
        ),
        pytest.param(
            definition(
                additionalPrinterColumns=[{"name": "", "type": "odd", "format": "odd", "jsonPath": "x"}]
            ),
            [
                "spec.additionalPrinterColumns[0].name: Required value",
                'spec.additionalPrinterColumns[0].type: Invalid value: "odd": must be one of '
                "boolean,date,integer,number,string",
                'spec.additionalPrinterColumns[0].format: Invalid value: "odd": must be one of '
                "byte,date,date-time,double,float,int32,int64,password",
                'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "x": must be a simple json path '
                "starting with .",
            ],
            id="column",
        ),
        pytest.param(
            definition(spec={"preserveUnknownFields": True}),
            [
                "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set "
                "x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
            ],
            id="preserve",
        ),
        pytest.param(
            definition(spec={"conversion": {"strategy": "Magic"}}),
            ['spec.conversion.strategy: Unsupported value: "Magic": supported values: "None", "Webhook"'],
            id="conversion",
        ),
        pytest.param(
            definition(spec={"conversion": {"strategy": "Webhook"}}),
            [
                "spec.conversion.webhookClientConfig: Required value: required when strategy is set to "
                "Webhook",
                "spec.conversion.conversionReviewVersions: Required value",
            ],
            id="conversion-without-webhook",
        ),
        pytest.param(
            _webhook(conversionReviewVersions=["v2", "v2"]),
            [
                'spec.conversion.conversionReviewVersions[1]: Invalid value: "v2": duplicate version',
                'spec.conversion.conversionReviewVersions: Invalid value: ["v2","v2"]: must include at least '
                "one of v1, v1beta1",
            ],
            id="conversion-reviews",
        ),
    ],
)
def test_definitions_are_refused_in_upstreams_words(obj, words):
    assert _words(obj) == words


def _group(group, annotation):
    obj = definition(spec={"group": group})
    annotations = {"api-approved.kubernetes.io": annotation} if annotation else {}
    obj["metadata"] = {"name": f"boxes.{group}", "annotations": annotations}
    return obj


def test_groups_of_the_community_need_an_approval():
    assert _words(_group("apps.k8s.io", "https://example.com/1")) == []
    assert _words(_group("apps.k8s.io", "unapproved")) == []
    path = "metadata.annotations[api-approved.kubernetes.io]"
    assert _words(_group("apps.k8s.io", "")) == [
        f"{path}: Required value: protected groups must have approval annotation "
        '"api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111'
    ]
    assert _words(_group("k8s.io", "why not"))[0].startswith(f'{path}: Invalid value: "why not": protected')
    old = _group("apps.k8s.io", "")
    old["metadata"]["resourceVersion"] = "1"
    assert validate_update(old, old) == []


def _selecting(*paths):
    fields = {"a": {"type": "string"}, "n": {"type": "integer"}, "o": {"type": "object"}}
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": fields}, "metadata": {"type": "object"}},
    }
    return definition(schema, selectableFields=[{"jsonPath": path} for path in paths])


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        pytest.param((".spec.a", ".spec.n"), [], id="fine"),
        pytest.param(("",), ["[0].jsonPath: Required value"], id="empty"),
        pytest.param(
            (".spec.x",),
            ['[0].jsonPath: Invalid value: ".spec.x": is an invalid path: does not refer to a valid field'],
            id="unknown",
        ),
        pytest.param(
            (".spec['a']",),
            [
                "[0].jsonPath: Invalid value: \".spec['a']\": is an invalid path: array notation is "
                "not allowed"
            ],
            id="brackets",
        ),
        pytest.param(
            (".spec.o",),
            [
                '[0].jsonPath: Invalid value: ".spec.o": must point to a field of type string, boolean '
                "or integer. Enum string fields and strings with formats are allowed."
            ],
            id="object",
        ),
        pytest.param((".spec.a", ".spec.a"), ['[1].jsonPath: Duplicate value: ".spec.a"'], id="twice"),
    ],
)
def test_selectable_fields(paths, words):
    at = "spec.selectableFields"
    assert _words(_selecting(*paths)) == [at + word for word in words]


def test_no_more_than_eight_selectable_fields():
    fields = {f"f{number}": {"type": "string"} for number in range(9)}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}}
    obj = definition(schema, selectableFields=[{"jsonPath": f".spec.{name}"} for name in fields])
    assert _words(obj) == ["spec.selectableFields: Too many: 9: must have at most 8 items"]


def _updated(**spec):
    old = definition()
    old["metadata"]["resourceVersion"] = "1"
    status = {"conditions": [{"type": "Established", "status": "True"}], "storedVersions": ["v1"]}
    old["status"] = status
    return {**old, "spec": {**old["spec"], **spec}}, old


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        pytest.param(
            {"scope": "Cluster"}, 'spec.scope: Invalid value: "Cluster": field is immutable', id="scope"
        ),
        pytest.param(
            {"names": {"plural": "boxes", "singular": "box", "kind": "Crate", "listKind": "BoxList"}},
            'spec.names.kind: Invalid value: "Crate": field is immutable',
            id="kind",
        ),
        pytest.param(
            {"group": "other.com"}, 'spec.group: Invalid value: "other.com": field is immutable', id="group"
        ),
    ],
)
def test_what_objects_are_stored_by_may_not_change(spec, word):
    assert word in [str(error) for error in validate_update(*_updated(**spec))]


def test_what_is_stored_must_stay():
    versions = [{**definition()["spec"]["versions"][0], "name": "v2"}]
    new, old = _updated(versions=versions)
    words = [str(error) for error in validate_update(new, old)]
    assert words[0] == 'status.storedVersions: Invalid value: ["v1"]: must have the storage version v2'
    assert words[1].startswith(
        'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was'
    )
    assert len(words) == 2
    empty = {**old, "status": {"storedVersions": []}}
    assert [str(error) for error in validate_status_update(empty, old)] == [
        "status.storedVersions: Invalid value: []: must have at least one stored version"
    ]


_SCHEMA = {
    "properties": {
        "a.b": {"properties": {"c": {"type": "string"}}},
        "m": {"additionalProperties": {"type": "string"}},
    }
}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param("['a.b'].c", "a.b.c", id="quoted"),
        pytest.param(".m.x", "m[x]", id="key"),
        pytest.param(".m['it\\'s']", "m[it's]", id="escaped"),
    ],
)
def test_paths_into_schemas(text, path):
    assert str(resolve(text, _SCHEMA)[0]) == path


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("m", "expected [ or . but got: m", id="no-dot"),
        pytest.param(".", "unexpected end of JSON path", id="dot"),
        pytest.param("[", "unexpected end of JSON path", id="bracket"),
        pytest.param("['m'", "unexpected end of JSON path", id="unclosed"),
        pytest.param("[m]", "expected single quoted string but got m", id="unquoted"),
        pytest.param("['m'.", "expected ] but got .", id="no-bracket"),
        pytest.param("['\\x']", "invalid string literal: invalid escape char \\x", id="escape"),
        pytest.param(".m.x.y", "does not refer to a valid field", id="too-deep"),
    ],
)
def test_paths_that_lead_nowhere(text, why):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        resolve(text, _SCHEMA)
    assert str(caught.value) == why


def test_what_is_not_in_common_is_told_of_each():
    one = definition()["spec"]["versions"][0]
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    other = {**one, "name": "v1", "schema": schema, "selectableFields": [{"jsonPath": ".spec"}]}
    words = _words(
        definition(spec={"versions": [{**one, "selectableFields": [{"jsonPath": ".spec"}]}, other]})
    )
    assert [word.partition(": ")[0] for word in words] == [
        f"{_V}.selectableFields[0].jsonPath",
        "spec.versions[1].selectableFields[0].jsonPath",
        "spec.versions",
        "spec.versions",
    ]
    bare = definition(
        spec={"versions": [{"name": "v1", "storage": True, "selectableFields": [{"jsonPath": ".x"}]}]}
    )
    assert _words(bare)[1] == (
        f'{_V}.selectableFields: Invalid value: "": selectableFields may only be set when '
        "validations.schema is included"
    )


def test_conversion_by_webhook_needs_pruning():
    obj = definition(spec={"preserveUnknownFields": True, "conversion": {"strategy": "Webhook"}})
    assert _words(obj)[0] == (
        'spec.conversion.strategy: Invalid value: "Webhook": must be None if '
        "spec.preserveUnknownFields is true"
    )


def test_selected_metadata():
    assert _words(_selecting(".metadata"))[0] == (
        'spec.selectableFields[0].jsonPath: Invalid value: ".metadata": must not point to fields in metadata'
    )


def test_what_versions_have_in_common_is_told_once():
    one = definition({"type": "object", "properties": {"spec": {}}})
    first = one["spec"]["versions"][0]
    second = {**first, "name": "v2", "storage": False}
    alike = definition(spec={"versions": [first, second]})
    assert [error.path for error in validate(alike)] == [
        "spec.validation.openAPIV3Schema.properties[spec].type"
    ]
    fine = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    different = definition(spec={"versions": [{**first, "schema": fine}, second]})
    assert [error.path for error in validate(different)] == [
        "spec.versions[1].schema.openAPIV3Schema.properties[spec].type"
    ]
