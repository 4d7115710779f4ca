"""What the labels of a namespace ask for."""

import pytest

from api.podsecurity.configuration import settings_of
from api.podsecurity.level import Policy, Standard, policy_of

P = "pod-security.kubernetes.io/"
DEFAULTS = Policy(Standard("baseline"), Standard("privileged"), Standard("privileged", 22))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param({}, "baseline:latest privileged:latest privileged:v1.22", id="none"),
        pytest.param({"other": "x"}, "baseline:latest privileged:latest privileged:v1.22", id="others"),
        pytest.param(
            {f"{P}enforce": "restricted", f"{P}enforce-version": "v1.30"},
            "restricted:v1.30 privileged:latest restricted:v1.30",
            id="warnings-follow-what-is-enforced",
        ),
        pytest.param(
            {f"{P}enforce": "restricted", f"{P}warn-version": "v1.5"},
            "restricted:latest privileged:latest restricted:v1.5",
            id="but-at-their-own-version",
        ),
        pytest.param(
            {f"{P}enforce": "restricted", f"{P}warn": "privileged"},
            "restricted:latest privileged:latest privileged:v1.22",
            id="unless-they-have-a-level-of-their-own",
        ),
        pytest.param(
            {f"{P}audit": "restricted", f"{P}audit-version": "latest"},
            "baseline:latest restricted:latest privileged:v1.22",
            id="audit",
        ),
    ],
)
def test_policy(labels: dict, expected: str) -> None:
    policy, errors = policy_of(labels, DEFAULTS)
    assert f"{policy.enforce} {policy.audit} {policy.warn}" == expected
    assert errors == []


@pytest.mark.parametrize(
    ("key", "value", "text", "expected"),
    [
        pytest.param(
            "enforce", "high", "must be one of privileged, baseline, restricted",
            "restricted:latest privileged:latest privileged:v1.22", id="enforced-level-fails-closed",
        ),
        pytest.param(
            "audit", "", "must be one of privileged, baseline, restricted",
            "baseline:latest privileged:latest privileged:v1.22", id="audited-level-fails-open",
        ),
        pytest.param(
            "warn", "Baseline", "must be one of privileged, baseline, restricted",
            "baseline:latest privileged:latest privileged:v1.22", id="warned-level-fails-open",
        ),
        pytest.param(
            "warn-version", "1.22", 'must be "latest" or "v1.x"',
            "baseline:latest privileged:latest privileged:latest", id="version",
        ),
        pytest.param(
            "enforce-version", "v1.01", 'must be "latest" or "v1.x"',
            "baseline:latest privileged:latest privileged:v1.22", id="leading-zero",
        ),
    ],
)  # fmt: skip
def test_bad_labels(key: str, value: str, text: str, expected: str) -> None:
    policy, errors = policy_of({f"{P}{key}": value}, DEFAULTS)
    assert f"{policy.enforce} {policy.audit} {policy.warn}" == expected
    assert [str(error) for error in errors] == [
        f'metadata.labels[{P}{key}]: Invalid value: "{value}": {text}'
    ]


def test_settings() -> None:
    settings = settings_of(
        {
            "defaults": {"enforce": "baseline", "audit": "restricted", "audit-version": "v1.25"},
            "exemptions": {"usernames": ["u"], "namespaces": ["n"], "runtimeClasses": ["r"]},
        }
    )
    assert settings.defaults == Policy(Standard("baseline"), Standard("restricted", 25), Standard())
    assert [*settings.usernames, *settings.namespaces, *settings.runtime_classes] == ["u", "n", "r"]
    assert settings_of({}).defaults == Policy()


def test_bad_settings() -> None:
    with pytest.raises(ValueError, match="must be one of privileged, baseline, restricted"):
        settings_of({"defaults": {"enforce": "much"}})
