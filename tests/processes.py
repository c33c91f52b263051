"""What the processes that tests start find around them: the code to run, and no network."""

import os
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
NO_NETWORK: Final = ROOT / "tests" / "no_network"


def python_path(*folders: Path) -> str:
    """PYTHONPATH of a process that imports from these folders and reaches no other machine."""
    return os.pathsep.join(map(str, (NO_NETWORK, *folders)))


def environment(**variables: str) -> dict[str, str]:
    """Variables of a process that runs the code of this checkout in any folder."""
    return {**os.environ, "PYTHONPATH": python_path(ROOT), **variables}
