"""The test set's two passes: every level's pool, AnoVox's protocol, and a few numbers of each frame."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.evaluation.anovox_protocol import ProtocolCounter, ProtocolFrame, ProtocolResult, sigmoid
from lib.evaluation.bootstrap import resample_scenarios
from lib.evaluation.calibration import Bins, CalibratedLevel, Calibration, shown
from lib.evaluation.counting import MAX_DISTINCT
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.levels import LevelScores, ScenarioScores
from lib.evaluation.pools import FrameGroups, Pool, PoolCounter, ScaleGatherer
from lib.evaluation.progress import EvaluationCheckpoint
from lib.evaluation.tallies import State as Noted
from lib.evaluation.truth import State

ReadShard = Callable[[], Iterable[ScenarioScores]]
"""Reads a shard's scores beside its truth, each time the same; in several parts, one after another, if it is long."""
KEPT_BYTES: Final = 1 << 28
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class PooledFrame:
    """What is kept of a frame. distance_m: of the anomaly, None where no sensor sees it; anywhere: a sensor does."""

    scenario: str
    scenario_type: str
    camera: str
    time_s: float
    score: float
    state: State
    distance_m: float | None
    anywhere: bool


@dataclass(frozen=True, eq=False)
class ScoredTest:
    """The whole test set: pools by level (and by `level.baseline`), frames in order, each scenario's type; weights
    (R, S) of the resampled scenarios; calibrated levels in bins of predicted probability.
    """

    pools: dict[str, Pool]
    protocol: ProtocolResult
    frames: list[PooledFrame]
    strata: dict[str, str]
    weights: npt.NDArray[np.float64]
    reliability: dict[CalibratedLevel, Bins]


@dataclass(frozen=True, eq=False)
class _Levels:
    scenario: str
    levels: dict[str, LevelScores]
    groups: FrameGroups

    @property
    def nbytes(self) -> int:
        return sum(s.positive.nbytes + s.positive_frame.nbytes + s.negative.nbytes for s in self.levels.values())


def pool_test_set(
    shards: Sequence[ReadShard],
    params: EvaluateParams,
    broken_down: Sequence[str] = (),
    limit: int = MAX_DISTINCT,
    calibrations: Mapping[CalibratedLevel, Calibration] = MappingProxyType({}),
    notes: EvaluationCheckpoint | None = None,
) -> ScoredTest:
    """Pool the test set's shards, those of a scenario one after another: read once if their scores fit into KEPT_BYTES,
    else twice. Levels that lack a class are absent. With notes, it goes on behind the shards that a killed run counted.
    """
    before = (notes.found() if notes else None) or {}
    first = _FirstPass(params, calibrations, limit, before.get("first"))
    second_before = before.get("second")
    if notes and before:
        done, which = (second_before["shards"], "second") if second_before else (first.shards, "first")
        notes.going_on(f"shard {done} of {len(shards)}, {which} pass")
    kept = _read_first(first, shards, notes, keep=not before)
    scales = first.gatherer.finish()
    _say_coarse({level: scale.dropped_bits for level, scale in scales.items() if scale.dropped_bits})
    second = _SecondPass(PoolCounter(scales, broken_down, second_before and second_before["pools"]), second_before)
    if kept is None:
        _read_second(second, first, shards, notes)
    else:
        for part in kept:
            second.counter.add(part.scenario, part.levels, part.groups)
    generator = np.random.default_rng(params.seed)
    weights = resample_scenarios(list(first.strata.values()), params.bootstrap_resamples, generator)
    pools, protocol = second.counter.finish(weights), first.protocol.finish()
    return ScoredTest(pools, protocol, first.frames, first.strata, weights, first.reliability)


class _FirstPass:
    """What is gathered while the test set is read for the first time, shard by shard."""

    def __init__(
        self,
        params: EvaluateParams,
        calibrations: Mapping[CalibratedLevel, Calibration],
        limit: int,
        before: Noted | None,
    ) -> None:
        self._params, self._calibrations = params, calibrations
        noted = before or {"shards": 0, "frames": [], "strata": {}, "bins": {}, "levels": None, "protocol": None}
        self.shards: int = noted["shards"]
        self.frames = [PooledFrame(*frame) for frame in noted["frames"]]
        self.strata: dict[str, str] = noted["strata"]
        self.reliability: dict[CalibratedLevel, Bins] = {level: Bins(**bins) for level, bins in noted["bins"].items()}
        self.gatherer, self.protocol = ScaleGatherer(limit, noted["levels"]), ProtocolCounter(noted["protocol"])

    def add(self, s: ScenarioScores) -> _Levels:
        """Gather a part of a shard; what the second pass needs of it."""
        self.strata[s.scenario] = s.scenario_type
        self.frames += _frames(s, self._params)
        for frame in _protocol_frames(s):
            self.protocol.add(frame)
        for level, bins in shown(self._calibrations, s.levels).items():
            self.reliability[level] = self.reliability[level] + bins if level in self.reliability else bins
        part = _levels(s)
        self.gatherer.add(part.levels)
        return part

    def state(self) -> Noted:
        """All of it, to go on from."""
        return {
            "shards": self.shards,
            "frames": [astuple(frame) for frame in self.frames],
            "strata": self.strata,
            "bins": {level: vars(bins) for level, bins in self.reliability.items()},
            "levels": self.gatherer.state(),
            "protocol": self.protocol.state(),
        }


class _SecondPass:
    """What is counted while the test set is read once more."""

    def __init__(self, counter: PoolCounter, before: Noted | None) -> None:
        self.counter, self.shards = counter, before["shards"] if before else 0

    def state(self) -> Noted:
        return {"shards": self.shards, "pools": self.counter.state()}


def _read_first(
    first: _FirstPass, shards: Sequence[ReadShard], notes: EvaluationCheckpoint | None, keep: bool
) -> list[_Levels] | None:
    """Read the shards from where the first pass is; what the second needs of all, or None where that is too much."""
    kept: list[_Levels] | None = [] if keep else None
    kept_bytes = 0
    for read in shards[first.shards :]:
        for s in read():
            part = first.add(s)
            kept_bytes += part.nbytes
            if kept_bytes > KEPT_BYTES:
                kept = None
            elif kept is not None:
                kept.append(part)
        first.shards += 1
        if notes:
            notes.after_shard(lambda: {"first": first.state()})
    return kept


def _read_second(
    second: _SecondPass, first: _FirstPass, shards: Sequence[ReadShard], notes: EvaluationCheckpoint | None
) -> None:
    for read in shards[second.shards :]:
        for s in read():
            part = _levels(s)
            second.counter.add(part.scenario, part.levels, part.groups)
        second.shards += 1
        if notes:
            notes.after_shard(lambda: {"first": first.state(), "second": second.state()})


def _levels(s: ScenarioScores) -> _Levels:
    levels: dict[str, LevelScores] = dict(s.levels.items())
    return _Levels(s.scenario, levels | s.baselines, s.groups)


def _frames(s: ScenarioScores, params: EvaluateParams) -> list[PooledFrame]:
    parts = zip(s.time_s.tolist(), s.frame_score.tolist(), s.truth, strict=True)
    return [
        PooledFrame(*(s.scenario, s.scenario_type, s.camera), time_s, score, t.state(params), t.distance_m, t.anywhere)
        for time_s, score, t in parts
    ]


def _protocol_frames(s: ScenarioScores) -> Iterator[ProtocolFrame]:
    for truth, voxels in zip(s.truth, s.voxels, strict=True):
        yield ProtocolFrame(
            scores=sigmoid(voxels.corner_score),
            is_anomaly=voxels.is_anomaly,
            anomaly_in_view=truth.anywhere,
            size=s.anomaly_size,
            true_voxels=voxels.true_voxels,
            true_anomalies=voxels.true_anomalies,
        )


def _say_coarse(dropped_bits: dict[str, int]) -> None:
    for level, bits in dropped_bits.items():
        _LOG.warning(
            "level %s has more than %d distinct positive scores: they are counted without their last %d bits, and "
            "auroc_error, ap_error and fpr95_error bound what that can change",
            *(level, MAX_DISTINCT, bits),
        )
