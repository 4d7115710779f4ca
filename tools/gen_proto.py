"""Compiles every `.proto` of `proto/` into `proto/gen/`, which is checked in: `python -m tools.gen_proto`.

`proto/etcd/rpc.proto` becomes `proto/gen/etcd/rpc_pb2.py`, `rpc_pb2.pyi` and (if it has services)
`rpc_pb2_grpc.py`, imported as `from proto.gen.etcd import rpc_pb2`. Sources import each other relative to
`proto/`: `import "etcd/kv.proto";`. protoc writes imports that start at that root; they are rewritten to
start at the root of this repository. Running it again changes nothing; a file whose source is gone is
removed. With `--check` nothing is written, and it fails if anything would change.
"""

import re
import sys
import tempfile
from pathlib import Path

import grpc_tools  # type: ignore[import-untyped]
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "proto"
GENERATED = SOURCES / "gen"
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"

_FROM = re.compile(r"^from (?!google\.|proto\.)([\w.]+) import (\w+_pb2\b.*)$", re.MULTILINE)
_PLAIN = re.compile(r"^import (\w+_pb2\b.*)$", re.MULTILINE)


def fix_imports(text: str) -> str:
    """Return generated code whose imports of other generated modules start at the repository's root."""
    text = _FROM.sub(r"from proto.gen.\1 import \2", text)
    return _PLAIN.sub(r"from proto.gen import \1", text)


def find_sources() -> list[Path]:
    """Return every `.proto` file of the project, in a fixed order."""
    return sorted(path for path in SOURCES.rglob("*.proto") if GENERATED not in path.parents)


def compile_into(out: Path, sources: list[Path]) -> None:
    """Run protoc over `sources`. Exits with protoc's own message when one does not compile."""
    arguments = ["protoc", f"-I{SOURCES}", f"-I{WELL_KNOWN}"]
    arguments += [f"--{kind}_out={out}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main([*arguments, *map(str, sources)]) != 0:
        sys.exit("protoc failed")


def render(sources: list[Path]) -> dict[Path, str]:
    """Return the text of every generated file by its path below `proto/gen`, `__init__.py` included."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        compile_into(out, sources)
        files = {
            path.relative_to(out): fix_imports(path.read_text())
            for path in sorted(out.rglob("*"))
            if path.is_file()
        }
    files = {path: text for path, text in files.items() if not _is_empty_service(path, text)}
    packages = {parent for path in files for parent in path.parents}
    return files | {package / "__init__.py": "" for package in packages}


def _is_empty_service(path: Path, text: str) -> bool:
    return path.name.endswith("_pb2_grpc.py") and "\nclass " not in text


def differing(files: dict[Path, str]) -> list[Path]:
    """Return the paths that are missing, stale or left over below `proto/gen`."""
    present = {path.relative_to(GENERATED) for path in GENERATED.rglob("*") if path.suffix in (".py", ".pyi")}
    wrong = present ^ set(files)
    wrong |= {path for path in present & set(files) if (GENERATED / path).read_text() != files[path]}
    return sorted(wrong)


def write(files: dict[Path, str], wrong: list[Path]) -> None:
    for path in wrong:
        target = GENERATED / path
        if path in files:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(files[path])
        else:
            target.unlink()


def main() -> int:
    files = render(find_sources())
    wrong = differing(files)
    for path in wrong:
        print(f"proto/gen/{path}")
    if "--check" in sys.argv[1:]:
        return 1 if wrong else 0
    write(files, wrong)
    return 0


if __name__ == "__main__":
    sys.exit(main())
