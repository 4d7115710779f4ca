"""The wheel carries every component, under the one name that users see."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Only for those who work on Pelamis.
NOT_SHIPPED = {"bench", "tests", "tools"}


def test_every_component_is_in_the_wheel_and_under_the_contracts():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - NOT_SHIPPED
    shipped = settings["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert set(shipped) | {"pelamis"} == packages
    assert set(shipped.values()) == {f"pelamis/_components/{name}" for name in shipped}
    assert set(settings["importlinter"]["root_packages"]) == packages
