"""What reviews of rights may ask."""

import pytest

from api.authorization.review import field_selector, validate
from tests.unit.api.kinds_sample import texts

ASKED = {"verb": "get", "resource": "pods", "namespace": "d"}
AT = "spec.resourceAttributes"


def review(kind="SubjectAccessReview", metadata=None, **spec):
    who = {} if kind.startswith("Self") else {"user": "jane"}
    return {"kind": kind, "metadata": metadata or {}, "spec": {**who, **spec}}


def selecting(**selector):
    return review(resourceAttributes={**ASKED, "fieldSelector": selector})


@pytest.mark.parametrize(
    ("given", "namespace", "expected"),
    [
        pytest.param(review(resourceAttributes=ASKED), "", [], id="resource"),
        pytest.param(review(nonResourceAttributes={"path": "/x", "verb": "get"}), "", [], id="path"),
        pytest.param(review("SelfSubjectAccessReview", resourceAttributes=ASKED), "", [], id="self"),
        pytest.param(
            review(),
            "",
            [
                f'{AT}: Invalid value: "null": exactly one of nonResourceAttributes or resourceAttributes '
                "must be specified"
            ],
            id="neither",
        ),
        pytest.param(
            review(resourceAttributes=ASKED, nonResourceAttributes={"path": "/"}),
            "",
            [
                'spec.nonResourceAttributes: Invalid value: {"path":"/"}: cannot be specified in combination '
                "with resourceAttributes"
            ],
            id="both",
        ),
        pytest.param(
            review(user="", resourceAttributes=ASKED),
            "",
            ['spec.user: Invalid value: "": at least one of user or group must be specified'],
            id="nobody",
        ),
        pytest.param(
            review(metadata={"name": "x"}, resourceAttributes=ASKED),
            "",
            ['metadata: Invalid value: {"name":"x"}: must be empty'],
            id="named",
        ),
        pytest.param(
            review("LocalSubjectAccessReview", {"namespace": "d"}, resourceAttributes=ASKED), "d", [],
            id="local",
        ),
        pytest.param(
            review("LocalSubjectAccessReview", resourceAttributes=ASKED),
            "e",
            [f'{AT}.namespace: Invalid value: "d": must match metadata.namespace'],
            id="local-of-another-namespace",
        ),
        pytest.param(
            review("LocalSubjectAccessReview", nonResourceAttributes={"path": "/"}),
            "e",
            [
                'spec.nonResourceAttributes: Invalid value: {"path":"/"}: disallowed on this kind of request'
            ],
            id="local-path",
        ),
        pytest.param(selecting(rawSelector="a=b"), "", [], id="raw"),
        pytest.param(
            selecting(rawSelector="a=b", requirements=[{}]),
            "",
            [
                f'{AT}.fieldSelector.rawSelector: Invalid value: "a=b": may not specified at the same time '
                "as requirements"
            ],
            id="raw-and-requirements",
        ),
        pytest.param(
            selecting(),
            "",
            [
                f"{AT}.fieldSelector.requirements: Required value: when {AT}.fieldSelector is specified, "
                "requirements or rawSelector is required"
            ],
            id="empty-selector",
        ),
        pytest.param(
            selecting(
                requirements=[
                    {"operator": "In"}, {"key": "a", "operator": "Exists", "values": ["b"]},
                    {"key": "a", "operator": "New"},
                ]
            ),
            "",
            [
                f"{AT}.fieldSelector.requirements[0].key: Required value: must be specified",
                f"{AT}.fieldSelector.requirements[0].values: Required value: must be specified when "
                "`operator` is 'In' or 'NotIn'",
                f"{AT}.fieldSelector.requirements[1].values: Forbidden: may not be specified when `operator` "
                "is 'Exists' or 'DoesNotExist'",
            ],
            id="requirements",
        ),
    ],
)  # fmt: skip
def test_validate(given, namespace, expected):
    assert texts(validate(given, namespace)) == expected


def term(operator, *values):
    return {"key": "spec.nodeName", "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("selector", "text", "faults"),
    [
        pytest.param({"rawSelector": "a=b,c!=d"}, "a=b,c!=d", [], id="raw"),
        pytest.param({"rawSelector": "a"}, "", ["invalid selector: 'a'; can't understand 'a'"], id="bad-raw"),
        pytest.param({"requirements": [term("In", "n")]}, "spec.nodeName=n", [], id="in"),
        pytest.param({"requirements": [term("NotIn", "n")]}, "spec.nodeName!=n", [], id="not-in"),
        pytest.param(
            {"requirements": [term("In", "n", "m"), term("In", "n")]},
            "spec.nodeName=n",
            ["fieldSelectors do not yet support multiple values"],
            id="several-values",
        ),
        pytest.param(
            {"requirements": [term("Exists"), term("New", "x")]},
            "",
            ["fieldSelectors do not yet support Exists", '"New" is not a valid field selector operator'],
            id="other-operators",
        ),
    ],
)
def test_field_selectors(selector, text, faults):
    found, ignored = field_selector({"fieldSelector": selector})
    assert (str(found), ignored) == (text, faults)
