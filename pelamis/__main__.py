"""`python -m pelamis` and the `pelamis` command."""

import sys
from pathlib import Path

# The components are flat packages beside this one (in a checkout) or in a private folder (in an
# installation, where only this process puts them on the path): docs/decisions/0001.
_HERE = Path(__file__).resolve().parent
_PRIVATE = _HERE / "_components"
sys.path.insert(0, str(_PRIVATE if _PRIVATE.is_dir() else _HERE.parent))


def main() -> None:
    from cli.main import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
