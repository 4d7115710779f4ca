"""Which controllers run, and the rules that all of them keep."""

from pathlib import Path
from typing import Any

import pytest

from apiserver.bootstrap.controller_policy import controller_roles
from apiserver.features import read
from controllers.catalog import ACCOUNTS, catalog, chosen, is_optional
from controllers.config import Config
from controllers.framework.controller import Controller

ALL_ON = read(["AllAlpha=true"], [])


def test_choosing_controllers(tmp_path: Path) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_text("PEM")
    entries = catalog(Config(tmp_path, cluster_cidr="10.0.0.0/8", root_ca_file=str(ca)))
    assert len(chosen(entries, ("*",))) == len(entries)
    assert [e.id for e in chosen(entries, ("deployment-controller",))] == ["deployment-controller"]
    assert len(chosen(entries, ("*", "-deployment-controller"))) == len(entries) - 1
    assert set(ACCOUNTS) <= {entry.id for entry in entries}


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        pytest.param(
            "persistentvolumeclaim-protection-controller",
            {("update", "persistentvolumeclaims"), ("list", "pods")},
            id="claims",
        ),
        pytest.param(
            "persistentvolume-protection-controller", {("update", "persistentvolumes")}, id="volumes"
        ),
        pytest.param(
            "volumeattributesclass-protection-controller",
            {("update", "volumeattributesclasses")},
            id="classes",
        ),
        pytest.param(
            "podgroup-protection-controller", {("update", "podgroups"), ("watch", "pods")}, id="pod groups"
        ),
    ],
)
def test_accounts_have_the_rights_that_their_controllers_need(name: str, needed: set[Any]) -> None:
    role_name = f"system:controller:{ACCOUNTS.get(name, name)}"
    (role,) = [role for role in controller_roles(ALL_ON) if role["metadata"]["name"] == role_name]
    allowed = {(verb, of) for rule in role["rules"] for verb in rule["verbs"] for of in rule["resources"]}
    assert needed <= allowed


def test_what_a_controller_reads_is_declared_once() -> None:
    for entry in catalog(Config(Path("unused"))):
        if isinstance(entry, Controller):
            resources = entry.resources()
            assert len(resources) == len(set(resources))
            assert not set(entry.only) & {entry.of, *entry.owns}


def test_alpha_kinds_may_be_missing() -> None:
    assert [entry.id for entry in catalog(Config(Path("unused"))) if is_optional(entry)] == [
        "podgroup-protection-controller"
    ]
