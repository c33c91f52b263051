"""metrics/evaluate.json and the tables beside it."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from lib.errors import DataError
from lib.evaluation.anovox import ProtocolFrame, VoxelGroup, anovox_protocol, sigmoid
from lib.evaluation.bootstrap import resample_scenarios
from lib.evaluation.levels import LEVELS, ScenarioScores, SharedVoxels
from lib.evaluation.pools import NegativeCounter, PositiveGatherer, level_metrics
from lib.evaluation.tables import Row, breakdown_rows, precision_recall_rows, roc_rows, score_rows
from lib.evaluation.truth import FrameTruth
from lib.params import EvaluateParams

Block = Mapping[str, "int | float | Block"]
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """The evaluation's outcome: nested metrics, and tables as rows of equal keys."""

    metrics: Block
    roc: list[Row]
    precision_recall: list[Row]
    scores: list[Row]
    breakdown: list[Row]


@dataclass(frozen=True, eq=False)
class _Frame:
    """What is kept of a frame."""

    scenario_type: str
    size: str | None
    truth: FrameTruth
    groups: dict[str, str]
    voxels: SharedVoxels


def evaluate(read: Callable[[], Iterator[ScenarioScores]], params: EvaluateParams) -> Report:
    """Evaluate the test scenarios, which `read` yields anew, in the same order, each time it is called (twice).

    A scenario may come in several parts, one per camera, one after another; intervals resample whole scenarios.
    Raises DataError when no level has both positives and negatives.
    """
    gatherer, frames, strata = PositiveGatherer(), list[_Frame](), dict[str, str]()
    for s in read():
        gatherer.add(s.scenario, s.levels, len(s.truth))
        strata[s.scenario] = s.scenario_type
        parts = zip(s.truth, s.groups, s.voxels, strict=True)
        frames += [_Frame(s.scenario_type, s.anomaly_size, truth, groups, v) for truth, groups, v in parts]
    positives = gatherer.finish()
    if not positives:
        raise DataError(_nothing_to_compute(frames))
    counter = NegativeCounter(positives)
    for s in read():
        counter.add(s.scenario, s.levels)
    generator = np.random.default_rng(params.seed)
    pools = counter.finish(resample_scenarios(list(strata.values()), params.bootstrap_resamples, generator))
    metrics: dict[str, int | float | Block] = {level: level_metrics(pools[level]) for level in LEVELS if level in pools}
    for level in (level for level in LEVELS if level not in pools):
        _LOG.warning("level %s is left out: the test set lacks positives or negatives for it", level)
    metrics["anovox"] = _anovox_block(frames)
    metrics["scenarios"] = Counter(sorted(strata.values()))
    states = Counter(frame.truth.state(params) for frame in frames)
    metrics["frames"] = {"total": len(frames)} | {s: states[s] for s in ("positive", "negative", "left_out")}
    return Report(
        metrics=_rounded(metrics),
        roc=[row for level, pool in pools.items() for row in roc_rows(level, pool)],
        precision_recall=[row for level, pool in pools.items() for row in precision_recall_rows(level, pool)],
        scores=[row for level in ("frame", "point") if level in pools for row in score_rows(level, pools[level])],
        breakdown=breakdown_rows(pools, [frame.groups for frame in frames]),
    )


def _anovox_block(frames: list[_Frame]) -> Block:
    """AnoVox's own protocol, on scores squashed into [0, 1]; what cannot be computed is left out."""
    result = anovox_protocol([_protocol_frame(frame) for frame in frames])
    groups = {"normality_included": result.normality_included, "anomalies_only": result.anomalies_only}
    block: dict[str, int | float | Block] = {k: _anovox_numbers(g) for k, g in groups.items() if g}
    if by_size := {size: _anovox_numbers(group) for size, group in result.by_size.items() if group}:
        block["by_size"] = by_size
    for name in (name for name, group in {**groups, **result.by_size}.items() if group is None):
        _LOG.warning("anovox %s is left out: its shared voxels lack anomalous or normal ones", name)
    if result.true_voxels_covered is not None:
        block["true_voxels_covered"] = result.true_voxels_covered
    if result.anomalous_voxels_covered is not None:
        block["anomalous_voxels_covered"] = result.anomalous_voxels_covered
    return block


def _protocol_frame(frame: _Frame) -> ProtocolFrame:
    voxels = frame.voxels
    return ProtocolFrame(
        scores=sigmoid(voxels.score),
        is_anomaly=voxels.is_anomaly,
        anomaly_in_view=frame.truth.anywhere,
        size=frame.size,
        true_voxels=voxels.true_voxels,
        true_anomalies=voxels.true_anomalies,
    )


def _anovox_numbers(group: VoxelGroup) -> Block:
    return {**asdict(group.metrics), "fpr95_exact": group.fpr95_exact}


def _nothing_to_compute(frames: list[_Frame]) -> str:
    what = "no anomaly in any sensor" if not any(f.truth.anywhere for f in frames) else "positives or negatives only"
    return (
        f"the {len(frames)} frames of the test scenarios hold {what}, so that no metric can be computed; "
        "give data.root both normality and anomaly scenarios (for the sample: simulate.anomaly_scenarios)"
    )


def _rounded(block: Block) -> Block:
    """To 9 decimals: the last bits of a float sum may differ from processor to processor."""
    return {
        key: _rounded(value) if isinstance(value, Mapping) else round(value, 9) if isinstance(value, float) else value
        for key, value in block.items()
    }
