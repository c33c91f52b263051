"""Which scenarios are tested, and whether the predictions are of exactly these shards."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.common.errors import DataError
from lib.geometry.frame import ScenarioType
from lib.shards.index import read_index
from lib.shards.predictions import Predictions, read_predictions
from lib.shards.shard_reader import Shard, read_shard
from lib.shards.split import assign_splits
from lib.shards.split_params import SplitParams

REMEDY = "run `dvc repro`"


@dataclass(frozen=True)
class ScoredScenario:
    """A shard of the test split, the whole of a scenario or one of its cameras: names, type and files."""

    scenario: str
    camera: str
    scenario_type: ScenarioType
    shard: Path
    predictions: Path

    def read(self) -> tuple[Shard, Predictions]:
        """Open both; raises DataError when a file is damaged or the predictions are not of this very shard."""
        shard, predictions = read_shard(self.shard), read_predictions(self.predictions)
        if (shard.scenario, shard.camera_name) != (self.scenario, self.camera):
            raise DataError(f"{self.shard}: is not the shard that the index of its folder tells of; {REMEDY}")
        check_predictions(self.predictions, shard, predictions)
        return shard, predictions

    def reread(self) -> tuple[Shard, Predictions]:
        """Open both once more, without the checks."""
        return read_shard(self.shard, verify=False), read_predictions(self.predictions, verify=False)


def scored_scenarios(shards: Path, predictions: Path, params: SplitParams) -> tuple[ScoredScenario, ...]:
    """The test scenarios, by name; raises DataError when their predictions are missing, or others are there."""
    entries = read_index(shards)
    splits = assign_splits(entries, params)
    test = sorted((e for e in entries if splits[e.scenario] == "test"), key=lambda entry: entry.scenario)
    if not test:
        raise DataError(
            f"{shards}: none of its {len(splits)} scenarios is left to test on; "
            "add scenarios to data.root or raise split.test_fraction"
        )
    found = {path.name for path in predictions.glob("*.h5")}
    if missing := [e.file for e in test if e.file not in found]:
        raise DataError(f"{predictions}: lacks {some_names(missing)} of {len(test)} test shards; {REMEDY}")
    if foreign := sorted(found - {e.file for e in test}):
        raise DataError(f"{predictions}: holds {some_names(foreign)}, not of the test scenarios; {REMEDY}")
    return tuple(ScoredScenario(e.scenario, e.camera, e.type, shards / e.file, predictions / e.file) for e in test)


def predicted_scenarios(shards: Path, predictions: Path) -> tuple[ScoredScenario, ...]:
    """The scenarios of a folder of predictions, by name; raises DataError when there are none, or of other shards."""
    entries = sorted(read_index(shards), key=lambda entry: entry.scenario)
    found = {path.name for path in predictions.glob("*.h5")}
    if not found:
        raise DataError(f"{predictions}: holds no predictions (<scenario>.h5); {REMEDY}")
    if foreign := sorted(found - {e.file for e in entries}):
        raise DataError(f"{predictions}: holds {some_names(foreign)}, not of the shards in {shards}; {REMEDY}")
    chosen = (e for e in entries if e.file in found)
    return tuple(ScoredScenario(e.scenario, e.camera, e.type, shards / e.file, predictions / e.file) for e in chosen)


def opened(
    scenarios: Iterable[ScoredScenario], model: str = "", source: str = ""
) -> Iterator[tuple[Shard, Predictions]]:
    """Open the scenarios one after another; raises DataError as `read`, or where their predictions are not all of one
    model: that of this fingerprint, which the file `source` has, or else the first one's.
    """
    for scored in scenarios:
        shard, predictions = scored.read()
        if not model:
            model, source = predictions.model_fingerprint, scored.predictions.name
        if predictions.model_fingerprint != model:
            raise DataError(
                f"{scored.predictions}: is of another model than {source}; `dvc repro -f predict` scores all anew"
            )
        yield shard, predictions


def check_predictions(path: Path, shard: Shard, predictions: Predictions) -> None:
    """Raise DataError unless the predictions (from path) are of this very shard, and all scores are finite."""
    p, made_for_another = predictions, f"{path}: was made from another shard than {shard.path}"
    if (p.scenario, p.shard_fingerprint) != (shard.scenario, shard.fingerprint):
        raise DataError(f"{made_for_another}; {REMEDY}")
    if not np.array_equal(p.frame_id, shard.frame_id):
        raise DataError(f"{made_for_another} (the frame ids differ); {REMEDY}")
    if not np.array_equal(p.num_points, shard.num_points) or p.point_score.shape != shard.point_class.shape:
        raise DataError(f"{made_for_another} (the numbers of points differ); {REMEDY}")
    if p.pixel_score.shape != shard.pixel_class.shape:
        expected = " x ".join(map(str, shard.pixel_class.shape[1:]))
        raise DataError(f"{made_for_another} (the images are not {expected}); {REMEDY}")
    for frame, count in enumerate(p.num_points):
        points, pixels = p.point_score[frame, :count], p.pixel_score[frame]
        named = {"frame_score": p.frame_score[frame], "point_score": points, "pixel_score": pixels}
        for name, scores in named.items():
            if not np.isfinite(scores).all():
                raise DataError(
                    f"{path}: {name} of frame {int(p.frame_id[frame])} is not finite everywhere; "
                    f"train the model anew (`dvc repro -f train`) or look into stages/predict.py"
                )


def some_names(names: Sequence[str]) -> str:
    """The first name, and how many more there are."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
