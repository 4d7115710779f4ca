"""Kubeconfig files."""

import base64
from pathlib import Path
from typing import Any

import pytest

from client.kubeconfig import KubeconfigError, load, parse

DATA: dict[str, Any] = {
    "current-context": "a",
    "contexts": [
        {"name": "a", "context": {"cluster": "c", "user": "u", "namespace": "shop"}},
        {"name": "b", "context": {"cluster": "c"}},
        {"name": "broken", "context": {"cluster": "none"}},
    ],
    "clusters": [
        {"name": "c", "cluster": {"server": "https://h:6443/", "certificate-authority": "pki/ca.crt"}}
    ],
    "users": [
        {"name": "u", "user": {"client-key-data": base64.b64encode(b"KEY").decode(), "tokenFile": "t"}}
    ],
}


def test_the_current_context() -> None:
    endpoint = parse(DATA, Path("/etc/k"))
    assert (endpoint.server, endpoint.namespace) == ("https://h:6443", "shop")
    assert endpoint.ca_file == Path("/etc/k/pki/ca.crt")
    assert endpoint.key_data == b"KEY"
    assert endpoint.token_file == Path("/etc/k/t")


def test_another_context_without_user() -> None:
    endpoint = parse(DATA, Path("/etc/k"), "b")
    assert (endpoint.namespace, endpoint.key_data) == ("default", b"")


@pytest.mark.parametrize("context", ["broken", "missing"])
def test_what_is_not_there(context: str) -> None:
    with pytest.raises(KubeconfigError, match="does not exist"):
        parse(DATA, Path("/"), context)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="cannot read"):
        load(tmp_path / "none")
    (tmp_path / "list").write_text("[]")
    with pytest.raises(KubeconfigError, match="not a kubeconfig"):
        load(tmp_path / "list")
