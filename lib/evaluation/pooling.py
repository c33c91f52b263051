"""The test set's two passes: every level's pool, AnoVox's protocol, and a few numbers of each frame."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.evaluation.anovox import ProtocolCounter, ProtocolFrame, ProtocolResult, sigmoid
from lib.evaluation.bootstrap import resample_scenarios
from lib.evaluation.calibration import Bins, CalibratedLevel, Calibration, shown
from lib.evaluation.counting import MAX_DISTINCT
from lib.evaluation.levels import LevelScores, ScenarioScores
from lib.evaluation.pools import FrameGroups, Pool, PoolCounter, ScaleGatherer
from lib.evaluation.truth import State
from lib.params import EvaluateParams

Read = Callable[[], Iterator[ScenarioScores]]
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
    read: Read,
    params: EvaluateParams,
    broken_down: Sequence[str] = (),
    limit: int = MAX_DISTINCT,
    calibrations: Mapping[CalibratedLevel, Calibration] = MappingProxyType({}),
) -> ScoredTest:
    """Pool the test scenarios, which `read` yields in the same order each time: once if their scores fit into
    KEPT_BYTES, else twice. A scenario may come in parts, one after another. Levels that lack a class are absent.
    """
    gatherer, protocol, frames, strata = ScaleGatherer(limit), ProtocolCounter(), list[PooledFrame](), dict[str, str]()
    kept, kept_bytes = list[_Levels](), 0
    reliability: dict[CalibratedLevel, Bins] = {}
    for s in read():
        strata[s.scenario] = s.scenario_type
        frames += _frames(s, params)
        for frame in _protocol_frames(s):
            protocol.add(frame)
        bins = shown(calibrations, s.levels)
        reliability = {level: reliability[level] + b if level in reliability else b for level, b in bins.items()}
        part = _levels(s)
        gatherer.add(part.levels)
        kept_bytes += part.nbytes
        kept = [*kept, part] if kept_bytes <= KEPT_BYTES else []
    scales = gatherer.finish()
    _say_coarse({level: scale.dropped_bits for level, scale in scales.items() if scale.dropped_bits})
    counter = PoolCounter(scales, broken_down)
    for part in kept if kept_bytes <= KEPT_BYTES else map(_levels, read()):
        counter.add(part.scenario, part.levels, part.groups)
    generator = np.random.default_rng(params.seed)
    weights = resample_scenarios(list(strata.values()), params.bootstrap_resamples, generator)
    return ScoredTest(counter.finish(weights), protocol.finish(), frames, strata, weights, reliability)


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
