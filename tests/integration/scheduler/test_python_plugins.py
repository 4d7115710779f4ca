"""Functions of users in a running scheduler: edited, broken, hanging, lying; what users see of it."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from kit.metrics import REGISTRY

HEAD = "from pelamis.plugins import filter, score\n\n"
_numbers = itertools.count()


def _prefer(node: str) -> str:
    return HEAD + f"@score(weight=50)\ndef prefer(pod, node):\n    return 100 * (node.name == '{node}')\n"


def _write(file: Path, text: str) -> None:
    file.write_text(text)


async def _next_place(cluster: Any) -> str:
    name = f"p{next(_numbers)}"
    await cluster.add_pod(name, cpu="10m")
    return str((await cluster.placed(name))[name])


async def _follows(cluster: Any, node: str) -> None:
    """Place pods until one goes to the node: the file has been noticed."""

    async def check() -> bool:
        return await _next_place(cluster) == node

    await cluster.until(check)


async def _is_broken() -> bool:
    return b'mine.py"} 1\n' in REGISTRY.render()


@pytest.fixture
async def file(cluster: Any, tmp_path: Path) -> Path:
    for name in ("n1", "n2", "n3"):
        await cluster.add_node(name)
    return tmp_path / "mine.py"


async def test_an_edit_changes_the_next_placement(cluster: Any, file: Path) -> None:
    _write(file, _prefer("n3"))
    cluster.start(plugin_file=(str(file),))
    assert [await _next_place(cluster) for _ in range(5)] == ["n3"] * 5
    _write(file, _prefer("n2"))
    await _follows(cluster, "n2")
    assert [await _next_place(cluster) for _ in range(5)] == ["n2"] * 5
    _write(file, "def broken(:\n")
    await cluster.until(_is_broken)
    assert await _next_place(cluster) == "n2"
    _write(file, _prefer("n1"))
    await _follows(cluster, "n1")


async def test_a_filter_says_why_and_may_change_its_mind(cluster: Any, file: Path) -> None:
    _write(
        file,
        HEAD
        + "@filter\ndef licensed(pod, node):\n    return node.name == 'none' or 'node(s) had no licence'\n",
    )
    cluster.start(plugin_file=(str(file),))
    await cluster.add_pod("web")
    condition = await cluster.condition("web", "PodScheduled", "False")
    assert condition["message"].startswith("0/3 nodes are available: 3 node(s) had no licence.")
    _write(
        file,
        HEAD
        + "@filter\ndef licensed(pod, node):\n    return node.name == 'n2' or 'node(s) had no licence'\n",
    )
    assert await cluster.placed("web") == {"web": "n2"}


@pytest.mark.parametrize(
    ("body", "line", "text"),
    [
        pytest.param("    raise ValueError('no price')", 5, "ValueError: no price", id="raises"),
        pytest.param("    while True:\n        pass", 0, "interrupted after 50 ms", id="hangs"),
        pytest.param(
            "    return 'garbage'", 3, "returned 'garbage': not a number from 0 to 100", id="garbage"
        ),
        pytest.param("    raise SystemExit", 5, "SystemExit", id="exits"),
    ],
)
async def test_others_are_not_affected(cluster: Any, file: Path, body: str, line: int, text: str) -> None:
    _write(file, HEAD + f"@score(weight=90)\ndef wild(pod, node):\n{body}\n")
    tame = file.with_name("tame.py")
    _write(tame, _prefer("n3"))
    cluster.start(plugin_file=(str(file), str(tame)), plugin_timeout_s=0.05)
    await cluster.add_pod("first")
    assert await cluster.placed("first") == {"first": "n3"}
    event = await cluster.event("first", "SchedulerPluginFailed")
    assert event["type"] == "Warning"
    assert event["message"].startswith(f"score wild ({file}:{line or ''}")
    assert text in event["message"]
    for _ in range(6):
        assert await _next_place(cluster) == "n3"
    # It has been switched off; a new version is asked again.
    _write(file, _prefer("n1").replace("weight=50", "weight=99"))
    await _follows(cluster, "n1")
