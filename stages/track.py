"""Follow the vehicle ahead through the drives of the test: data/shards -> data/tracks, without a model.

Where the test has no dynamic scenario, there is nothing to find, and the folder stays empty.
"""

from functools import partial
from pathlib import Path

from lib.common.errors import run_stage
from lib.common.outputs import atomic_folder
from lib.common.params import ExecutionParams, Sections, load_params
from lib.common.paths import SHARDS, TRACKS
from lib.common.terminal import log
from lib.common.workers import processes_or_here, run_tasks
from lib.geometry.frame import ScenarioType
from lib.shards.index import SHARD_FILES, ShardEntry, open_entry, read_index
from lib.shards.sequences import is_drive
from lib.shards.split import assign_splits
from lib.shards.split_params import SplitParams
from lib.shards.tracks import write_tracks
from lib.tracking.shard_tracks import tracks_of
from lib.tracking.track_params import TrackParams


class Params(Sections):
    """Sections of params.yaml that the stage reads."""

    split: SplitParams
    track: TrackParams
    execution: ExecutionParams


def main() -> None:
    """Run the stage."""
    params = load_params(Params)
    entries = read_index(SHARDS)
    splits = assign_splits(entries, params.split)
    test = [entry for entry in entries if splits[entry.scenario] == "test"]
    with atomic_folder(TRACKS, (SHARD_FILES,)) as folder:
        tracked = 0
        if any(entry.type is ScenarioType.DYNAMIC for entry in test):
            with processes_or_here(params.execution.workers, len(test)) as pool:
                tracked = sum(run_tasks(pool, partial(_track, folder, params.track), test, "track", "shard"))
    log(f"{tracked} drives of the test in {TRACKS}")


def _track(folder: Path, params: TrackParams, entry: ShardEntry) -> bool:
    """Write a shard's tracks, unless its frames are no drive; say whether they are one."""
    shard = open_entry(SHARDS, entry)
    if not is_drive(shard):
        return False
    write_tracks(folder / entry.file, tracks_of(shard, params))
    return True


if __name__ == "__main__":
    run_stage(main)
