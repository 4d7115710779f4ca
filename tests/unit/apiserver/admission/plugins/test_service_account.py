"""Which secrets the pods of a limited account may use: every kind of container, every kind of reference."""

import pytest

from apiserver.admission.plugins.service_account import container_faults, is_limited, secret_faults

ACCOUNT = {
    "metadata": {"name": "sa", "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}},
    "secrets": [{"name": "mine"}],
    "imagePullSecrets": [{"name": "pull"}],
}
WHY = "is not allowed because service account sa does not reference that secret"


def env(secret):
    return [{"name": "V", "valueFrom": {"secretKeyRef": {"name": secret, "key": "k"}}}]


def source(secret):
    return [{"secretRef": {"name": secret}}]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        pytest.param(
            {
                "volumes": [{"secret": {"secretName": "mine"}}],
                "containers": [{"name": "c", "env": env("mine"), "envFrom": source("mine")}],
                "imagePullSecrets": [{"name": "pull"}],
            },
            "",
            id="listed",
        ),
        pytest.param(
            {"volumes": [{"secret": {"secretName": "other"}}]},
            f'volume with secret.secretName="other" {WHY}',
            id="volume",
        ),
        pytest.param(
            {"containers": [{"name": "c", "env": env("other")}]},
            f'container c with envVar V referencing secret.secretName="other" {WHY}',
            id="env",
        ),
        pytest.param(
            {"containers": [{"name": "c", "envFrom": source("other")}]},
            f'container c with envFrom referencing secret.secretName="other" {WHY}',
            id="env-from",
        ),
        pytest.param(
            {"initContainers": [{"name": "i", "envFrom": source("other")}]},
            f'init container i with envFrom referencing secret.secretName="other" {WHY}',
            id="init-env-from",
        ),
        pytest.param(
            {"initContainers": [{"name": "i", "env": env("other")}]},
            f'init container i with envVar V referencing secret.secretName="other" {WHY}',
            id="init-env",
        ),
        pytest.param(
            {"imagePullSecrets": [{"name": "pull"}, {"name": "other"}]},
            'imagePullSecrets[1].name="other" is not allowed because service account sa does not reference '
            "that imagePullSecret",
            id="pull",
        ),
    ],
)
def test_secrets_of_limited_accounts(spec, why):
    assert next(secret_faults({"spec": spec}, ACCOUNT), "") == why


@pytest.mark.parametrize(
    ("container", "why"),
    [
        pytest.param({"env": env("mine")}, "", id="listed"),
        pytest.param(
            {"env": env("other")},
            f'ephemeral container e with envVar V referencing secret.secretName="other" {WHY}',
            id="env",
        ),
        pytest.param(
            {"envFrom": source("other")},
            f'ephemeral container e with envFrom referencing secret.secretName="other" {WHY}',
            id="env-from",
        ),
    ],
)
def test_debug_containers(container, why):
    pod = {"spec": {"ephemeralContainers": [{"name": "e", **container}]}}
    assert next(container_faults(pod, ACCOUNT, "ephemeralContainers"), "") == why


def test_most_accounts_are_not_limited():
    assert is_limited(ACCOUNT)
    assert not is_limited({"metadata": {"name": "sa"}})
