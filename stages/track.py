"""Follow the vehicle ahead through drives: data/shards -> data/tracks, without a model.

A detector with a past (`model.window`) reads the tracks of all sequences, of any scenario type and split. Without one,
only the drives of the test are followed, to be judged; where the test has no dynamic scenario, there is nothing to
find, and the folder stays empty.
"""

from functools import partial
from pathlib import Path
from typing import Literal

from lib.common.errors import run_stage
from lib.common.outputs import atomic_folder
from lib.common.params import ExecutionParams, Sections, load_params
from lib.common.paths import SHARDS, TRACKS
from lib.common.terminal import log
from lib.common.workers import processes_or_here, run_tasks
from lib.geometry.frame import ScenarioType
from lib.model.model_params import ModelParams
from lib.shards.index import SHARD_FILES, ShardEntry, open_entry, read_index
from lib.shards.sequences import is_drive, is_sequence
from lib.shards.split import assign_splits
from lib.shards.split_params import SplitParams
from lib.shards.tracks import write_tracks
from lib.tracking.shard_tracks import is_posed, tracks_of
from lib.tracking.track_params import TrackParams

Outcome = Literal["followed", "no drive", "no poses"]


class Params(Sections):
    """Sections of params.yaml that the stage reads."""

    split: SplitParams
    track: TrackParams
    model: ModelParams
    execution: ExecutionParams


def main() -> None:
    """Run the stage."""
    params = load_params(Params)
    entries = read_index(SHARDS)
    splits = assign_splits(entries, params.split)
    with_past = len(params.model.window) > 1
    test = [entry for entry in entries if splits[entry.scenario] == "test"]
    judged = test if any(entry.type is ScenarioType.DYNAMIC for entry in test) else []
    followed = entries if with_past else judged
    with (
        atomic_folder(TRACKS, (SHARD_FILES,)) as folder,
        processes_or_here(params.execution.workers, len(followed)) as pool,
    ):
        results = run_tasks(pool, partial(_track, folder, params.track, with_past), followed, "track", "shard")
    for entry, result in zip(followed, results, strict=True):
        if result == "no poses":
            log(f"{entry.scenario}: too few frames have a pose, so the vehicle ahead is not followed")
    log(f"{results.count('followed')} drives in {TRACKS}")


def _track(folder: Path, params: TrackParams, with_past: bool, entry: ShardEntry) -> Outcome:
    """Write a shard's tracks, unless its frames are no drive, or, with a past, no sequence; say what became of it."""
    shard = open_entry(SHARDS, entry)
    if not (is_sequence(shard) if with_past else is_drive(shard)):
        return "no drive"
    # Braking is judged, and normality trained on: these need poses. What stands still is found without a past, too.
    if shard.scenario_type is ScenarioType.STATIC and not is_posed(shard):
        return "no poses"
    write_tracks(folder / entry.file, tracks_of(shard, params))
    return "followed"


if __name__ == "__main__":
    run_stage(main)
