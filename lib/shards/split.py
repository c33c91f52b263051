"""Which scenarios train, validate and test: whole scenarios, a pure function of the index and the parameters."""

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError
from lib.geometry.frame import ScenarioType
from lib.shards.index import ShardEntry, frames_with_anomaly
from lib.shards.shard_reader import Shard
from lib.shards.split_params import SplitParams

Split = Literal["train", "validation", "test"]


def assign_splits(entries: Sequence[ShardEntry], params: SplitParams) -> dict[str, Split]:
    """Each scenario's split.

    `normality`: the normality scenarios are divided, all others test. `anomaly_free`: all scenarios are divided alike,
    and training takes their anomaly-free frames (`training_frames`). Scenarios are divided in an order hashed from seed
    and name (test, train, validation), so that one more scenario moves at most one other across either border. Train,
    validation and test get at least one each where the scenarios suffice and the fraction is not 0.
    Raises DataError when nothing is left to train on, or recordings have no labels.
    """
    if any(e.type is ScenarioType.UNLABELLED for e in entries):
        raise DataError(
            "the shards hold recordings without labels, which can be neither trained on nor evaluated; set data.format "
            "to anovox and data.root to labelled data, then run `dvc repro`"
        )
    normality_only = params.train_on == "normality"
    divided = [e for e in entries if not normality_only or e.type is ScenarioType.NORMALITY]
    ordered = sorted({e.scenario for e in divided}, key=lambda name: _hashed(params.seed, name))
    num_validation, num_test = _counts(len(ordered), params, validation_first=normality_only)
    splits: dict[str, Split] = {e.scenario: "test" for e in entries}
    splits |= dict.fromkeys(ordered[num_test : len(ordered) - num_validation], "train")
    splits |= dict.fromkeys(ordered[len(ordered) - num_validation :], "validation")
    trainable = [e for e in divided if splits[e.scenario] == "train" and trainable_frames(e, params) > 0]
    if not trainable:
        raise DataError(_nothing_to_train_on(entries, params))
    return splits


def training_frames(shard: Shard, params: SplitParams) -> npt.NDArray[np.int64]:
    """Indices of the frames that training and validation may use, ascending int64.

    `normality`: all frames of a normality scenario, none of another; `anomaly_free`: frames without a labelled anomaly,
    of a dynamic drive only those before the first with one: a vehicle that has just stopped is no normal sight.
    """
    if params.train_on == "anomaly_free":
        anomalous = frames_with_anomaly(shard)
        if shard.scenario_type is ScenarioType.DYNAMIC:
            anomalous = np.logical_or.accumulate(anomalous)
        return np.flatnonzero(~anomalous).astype(np.int64)
    return np.arange(len(shard) if shard.scenario_type is ScenarioType.NORMALITY else 0, dtype=np.int64)


def trainable_frames(entry: ShardEntry, params: SplitParams) -> int:
    """How many of a shard's frames training may use, if its scenario trains: the number of `training_frames`."""
    if params.train_on == "normality":
        return entry.frames
    dynamic = entry.type is ScenarioType.DYNAMIC
    return entry.frames_before_anomaly if dynamic else entry.frames - entry.frames_with_anomaly


def _hashed(seed: int, name: str) -> tuple[str, str]:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest(), name


def _counts(scenarios: int, params: SplitParams, validation_first: bool) -> tuple[int, int]:
    """Numbers of validation and test scenarios; at least one is left to train."""

    def wanted(fraction: float) -> int:
        return 0 if fraction == 0 else max(1, round(fraction * scenarios))

    spare = max(0, scenarios - 1)
    if validation_first:
        validation = min(wanted(params.validation_fraction), spare)
        return validation, min(wanted(params.test_fraction), spare - validation)
    test = min(wanted(params.test_fraction), spare)
    return min(wanted(params.validation_fraction), spare - test), test


def _nothing_to_train_on(entries: Sequence[ShardEntry], params: SplitParams) -> str:
    held = f"the {len({e.scenario for e in entries})} scenarios of data.root"
    if params.train_on == "normality":
        return (
            f"{held} hold no normality scenario, and split.train_on is normality: nothing is left to train on; "
            "add a normality download to data.root, or set split.train_on=anomaly_free"
        )
    return (
        f"the training scenarios among {held} hold no frame without an anomaly, and split.train_on is anomaly_free: "
        "nothing is left to train on; add scenarios to data.root, or try another split.seed"
    )
