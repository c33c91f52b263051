"""One scenario more, one file changed: how many shards preprocess makes anew, and whether all are the right ones."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lib.anovox.format.folders import find_scenarios
from tests.faults.lab import must_succeed
from tests.faults.workspace import SMALL, Workspace, new_workspace, outs_of

SAMPLE: Final = Path("data/sample")
SHARDS: Final = Path("data/shards")
ANOMALOUS: Final = 0.1


@dataclass(frozen=True)
class Rebuilt:
    """A run of preprocess after a change: the shards it made anew, and its seconds; and those of a full rebuild."""

    what: str
    shards: int
    anew: int
    seconds: float
    full_s: float
    identical: bool


def add_and_change(folder: Path, scenarios: int) -> list[Rebuilt]:
    """Preprocess so many scenarios of a frame; then add one; then change a file of one."""
    workspace = new_workspace(folder / "incremental", _params(scenarios + 1))
    must_succeed("simulate", workspace.stage("simulate"))
    found = find_scenarios(workspace.root / SAMPLE, lambda _: None)
    added = found[len(found) // 2]
    aside = added.rename(folder / added.name)
    must_succeed("preprocess", workspace.stage("preprocess"))
    shutil.move(aside, added)
    first = _rebuilt(workspace, "one scenario added")
    one, other = (next(scenario.glob("RGB-CAM*/*.png")) for scenario in (found[0], found[1]))
    shutil.copyfile(one, other)
    second = _rebuilt(workspace, "one image changed")
    shutil.rmtree(workspace.root)
    return [first, second]


def _params(scenarios: int) -> dict[str, Any]:
    anomalous = max(1, round(ANOMALOUS * scenarios))
    return {
        **SMALL,
        "simulate.frames_per_scenario": 1,
        "simulate.anomaly_scenarios": anomalous,
        "simulate.normality_scenarios": scenarios - anomalous,
        "preprocess.trust_labels": True,  # an image comes from another scenario
        "preprocess.max_points": SMALL["simulate.lidar_channels"] * SMALL["simulate.lidar_rays_per_channel"],
        "execution.workers": 2,
    }


def _rebuilt(workspace: Workspace, what: str) -> Rebuilt:
    """Run preprocess with what it has kept, then with a store that is empty."""
    before = _inodes(workspace.root / ".scratch")
    ended = must_succeed("preprocess", workspace.stage("preprocess"))
    after, outs = _inodes(workspace.root / SHARDS), outs_of("preprocess")
    contents = workspace.contents(outs)
    empty = workspace.root / "empty"
    full = must_succeed("preprocess", workspace.stage("preprocess", ANOVOX_SCRATCH=str(empty)))
    identical = workspace.contents(outs) == contents
    shutil.rmtree(empty)
    return Rebuilt(what, len(after), len(after - before), ended.seconds, full.seconds, identical)


def _inodes(folder: Path) -> set[int]:
    """A shard that was kept is the same file as before; the store holds on to it, so no new one gets its number."""
    return {path.stat().st_ino for path in folder.rglob("*.h5")}
