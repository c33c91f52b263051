"""metrics/evaluate.json and the tables beside it."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from lib.errors import DataError
from lib.evaluation.anovox import ProtocolResult, VoxelGroup
from lib.evaluation.baselines import GIVES_AWAY, by_level
from lib.evaluation.events import FEW_MINUTES, drives_of, events_at, threshold_for
from lib.evaluation.guards import check_scores, check_size
from lib.evaluation.levels import LEVELS
from lib.evaluation.pooling import PooledFrame, Read, ScoredTest, pool_test_set
from lib.evaluation.pools import level_metrics
from lib.evaluation.tables import BREAKDOWN_LEVELS, Row, breakdown_rows, precision_recall_rows, roc_rows, score_rows
from lib.params import EvaluateParams

Block = Mapping[str, "int | float | Block"]
_LOG = logging.getLogger(__name__)
_CURVES: Final = tuple(level for level in LEVELS if level != "frame_within")
_BASELINE_NUMBERS: Final = ("auroc", "auroc_low", "auroc_high", "ap", "ap_low", "ap_high", "positives", "negatives")


@dataclass(frozen=True)
class Report:
    """The evaluation's outcome: nested metrics, and tables as rows of equal keys."""

    metrics: Block
    roc: list[Row]
    precision_recall: list[Row]
    scores: list[Row]
    breakdown: list[Row]


def evaluate(read: Read, params: EvaluateParams) -> Report:
    """Evaluate the test scenarios, which `read` yields anew, in the same order, each time it is called (twice).

    A scenario may come in several parts, one after another; intervals resample whole scenarios. Raises DataError when
    no level has both positives and negatives.
    """
    test = pool_test_set(read, params, BREAKDOWN_LEVELS)
    if not any(level in test.pools for level in LEVELS):
        raise DataError(_nothing_to_compute(test.frames))
    check_scores(test)
    check_size(test)
    pools = test.pools
    curves = [level for level in _CURVES if level in pools]
    return Report(
        metrics=_rounded(_metrics(test, params)),
        roc=[row for level in curves for row in roc_rows(level, pools[level])],
        precision_recall=[row for level in curves for row in precision_recall_rows(level, pools[level])],
        scores=[row for level in ("frame", "point") if level in pools for row in score_rows(level, pools[level])],
        breakdown=breakdown_rows(pools),
    )


def _metrics(test: ScoredTest, params: EvaluateParams) -> Block:
    metrics: dict[str, int | float | Block] = {}
    for level in LEVELS:
        if level in test.pools:
            metrics[level] = level_metrics(test.pools[level])
        elif level == "frame_within":
            _LOG.warning(
                "frame_within is left out: the test set's anomaly scenarios lack frames with the anomaly in view, or "
                "frames without, so that `frame` may owe something to how anomaly scenarios differ from normality ones"
            )
        else:
            _LOG.warning("level %s is left out: the test set lacks positives or negatives for it", level)
    metrics["anovox"] = _anovox_block(test.protocol)
    metrics["scenarios"] = Counter(sorted(test.strata.values()))
    states = Counter(frame.state for frame in test.frames)
    metrics["frames"] = {"total": len(test.frames)} | {s: states[s] for s in ("positive", "negative", "left_out")}
    if events := _events_block(test):
        metrics["events"] = events
    if baselines := _baselines_block(test):
        metrics["baselines"] = baselines
    return metrics


def _events_block(test: ScoredTest) -> Block:
    """Objects found at one false alarm a minute; empty, with a warning, where that cannot be said."""
    drives = drives_of(test.frames)
    threshold = threshold_for(drives) if drives else None
    events = events_at(drives, threshold, list(test.strata), test.weights) if drives and threshold is not None else None
    if events is None:
        _LOG.warning("events are left out: the test set lacks the frames' times, objects in view, or negative frames")
        return {}
    if events.normal_minutes < FEW_MINUTES:
        _LOG.warning(
            "events: one false alarm a minute is asked of %.1f minutes of negative frames; at least %g would be better",
            *(events.normal_minutes, FEW_MINUTES),
        )
    numbers = {**asdict(events), "false_alarms_per_minute": events.false_alarms_per_minute}
    return {name: number for name, number in numbers.items() if number is not None}


def _baselines_block(test: ScoredTest) -> Block:
    """Trivial scores, evaluated as the model's; a warning tells which of them gives the frames' labels away."""
    blocks = {name: level_metrics(pool) for name, pool in test.pools.items() if name not in LEVELS}
    nested = by_level({name: {key: block[key] for key in _BASELINE_NUMBERS} for name, block in blocks.items()})
    for name, block in nested.get("frame", {}).items():
        if max(block["auroc"], 1 - block["auroc"]) >= GIVES_AWAY:
            _LOG.warning(
                "baseline %s: frame AUROC %.3f [%.3f, %.3f] without looking for anomalies; the test set gives away by "
                "it which frames are anomalous, so read `frame` beside it",
                *(name, block["auroc"], block["auroc_low"], block["auroc_high"]),
            )
    return nested


def _anovox_block(result: ProtocolResult) -> Block:
    """AnoVox's own protocol, on scores squashed into [0, 1]; what cannot be computed is left out."""
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


def _anovox_numbers(group: VoxelGroup) -> Block:
    error = {"auroc_error": group.auroc_error} if group.auroc_error else {}
    return {**asdict(group.metrics), "fpr95_exact": group.fpr95_exact, **error}


def _nothing_to_compute(frames: list[PooledFrame]) -> str:
    what = "no anomaly in any sensor" if not any(f.anywhere for f in frames) else "positives or negatives only"
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
