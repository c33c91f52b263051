"""The test set in one pass: every level's pool, AnoVox's protocol, and a few numbers of each frame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lib.evaluation.anovox_protocol import ProtocolCounter, ProtocolResult
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.levels import ScenarioScores
from lib.evaluation.pools import LevelCounter, Pool
from lib.evaluation.truth import State
from lib.metrics.bootstrap import resample_scenarios


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
    """The test set: pools by level (and `level.baseline`), frames, scenarios' types, weights (R, S) of resamples."""

    pools: dict[str, Pool]
    protocol: ProtocolResult
    frames: list[PooledFrame]
    strata: dict[str, str]
    weights: npt.NDArray[np.float64]


def pool_test_set(
    parts: Iterable[ScenarioScores], params: EvaluateParams, broken_down: Sequence[str] = ()
) -> ScoredTest:
    """Pool the test set's scenarios, each in one part or in several, one after another.

    Levels that lack a class are absent; `broken_down` ones are pooled by group of frames as well.
    """
    frames: list[PooledFrame] = []
    strata: dict[str, str] = {}
    counters: dict[str, LevelCounter] = {}
    protocol = ProtocolCounter()
    for part in parts:
        strata[part.scenario] = part.scenario_type
        number = list(strata).index(part.scenario)
        for level, scores in (part.levels | part.baselines).items():
            counters.setdefault(level, LevelCounter(level in broken_down)).add(number, scores, part.groups)
        frames += _frames(part, params)
        for frame in part.protocol_frames():
            protocol.add(frame)
    generator = np.random.default_rng(params.seed)
    weights = resample_scenarios(list(strata.values()), params.bootstrap_resamples, generator)
    pools = {level: pool for level, counter in counters.items() if (pool := counter.finish(weights))}
    return ScoredTest(pools, protocol.finish(), frames, strata, weights)


def _frames(s: ScenarioScores, params: EvaluateParams) -> list[PooledFrame]:
    parts = zip(s.time_s.tolist(), s.frame_score.tolist(), s.truth, strict=True)
    return [
        PooledFrame(*(s.scenario, s.scenario_type, s.camera), time_s, score, t.state(params), t.distance_m, t.anywhere)
        for time_s, score, t in parts
    ]
