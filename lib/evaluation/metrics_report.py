"""metrics/evaluate.json and the tables beside it."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from lib.common.errors import DataError
from lib.evaluation import plot_tables
from lib.evaluation.anovox_protocol import ProtocolResult, VoxelGroup
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.levels import LEVELS, Level, ScenarioScores
from lib.evaluation.operating_points import operate
from lib.evaluation.platt_scaling import Bins, CalibratedLevel, ScoreCalibration, binned, calibrate_scores
from lib.evaluation.plot_tables import BREAKDOWN_LEVELS, Row
from lib.evaluation.pooling import PooledFrame, ScoredTest, pool_test_set
from lib.evaluation.pools import level_metrics
from lib.evaluation.result_guards import check_scores, check_size
from lib.evaluation.trivial_baselines import by_level, gives_away
from lib.geometry.frame import ScenarioType
from lib.shards.validation_scores import ValidationScores

Block = Mapping[str, "int | float | Block"]
Levels = dict[str, dict[str, int | float]]
_LOG = logging.getLogger(__name__)
BY_TYPE: Final[tuple[Level, ...]] = ("frame", "pixel", "point", "voxel")
_CURVES: Final = tuple(level for level in LEVELS if level != "frame_within")
_BASELINE_NUMBERS: Final = ("auroc", "auroc_low", "auroc_high", "ap", "ap_low", "ap_high", "positives", "negatives")


@dataclass(frozen=True)
class Report:
    """The evaluation's outcome: nested metrics, and tables as rows of equal keys.

    by_type: levels of each type of anomaly scenario apart; empty where none is a dynamic one.
    """

    metrics: Block
    by_type: Mapping[str, Levels]
    roc: list[Row]
    precision_recall: list[Row]
    scores: list[Row]
    breakdown: list[Row]
    events: list[Row]
    first_detections: list[Row]
    reliability: list[Row]


def evaluate(
    parts: Iterable[ScenarioScores], params: EvaluateParams, validation: ValidationScores | None = None
) -> Report:
    """Evaluate the test set (see pool_test_set); intervals resample whole scenarios.

    With validation scores, thresholds and probabilities learned there are judged too. Raises DataError when no level
    has both positives and negatives.
    """
    calibrations = calibrate_scores(validation, params) if validation else {}
    test = pool_test_set(parts, params, BREAKDOWN_LEVELS)
    if not any(level in test.pools for level in LEVELS):
        raise DataError(_nothing_to_compute(test.frames))
    check_scores(test)
    check_size(test)
    pools, operating = test.pools, operate(test, validation)
    reliability = {n: binned(c.scaling, pools[n].ranking()) for n, c in calibrations.items() if n in pools}
    curves = [level for level in _CURVES if level in pools]
    return Report(
        metrics=rounded(_metrics(test, operating.block, calibrations, reliability, validation)),
        by_type=_by_type(test) if ScenarioType.DYNAMIC in test.strata.values() else {},
        roc=[row for level in curves for row in plot_tables.roc_rows(level, pools[level])],
        precision_recall=[row for level in curves for row in plot_tables.precision_recall_rows(level, pools[level])],
        scores=[row for n in BREAKDOWN_LEVELS if n in pools for row in plot_tables.score_rows(n, pools[n])],
        breakdown=plot_tables.breakdown_rows(pools),
        events=operating.events,
        first_detections=operating.first_detections,
        reliability=plot_tables.reliability_rows(reliability, calibrations),
    )


def _metrics(
    test: ScoredTest,
    events: Block,
    calibrations: Mapping[CalibratedLevel, ScoreCalibration],
    reliability: Mapping[CalibratedLevel, Bins],
    validation: ValidationScores | None,
) -> Block:
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
    if validation:
        metrics["outside_shift"] = validation.outside_shift
    metrics["scenarios"] = Counter(sorted(test.strata.values()))
    states = Counter(frame.state for frame in test.frames)
    metrics["frames"] = {"total": len(test.frames)} | {s: states[s] for s in ("positive", "negative", "left_out")}
    if events:
        metrics["events"] = events
    if reliability:
        metrics["calibration"] = {level: _calibration(calibrations[level], bins) for level, bins in reliability.items()}
    if baselines := _baselines_block(test):
        metrics["baselines"] = baselines
    return metrics


def _by_type(test: ScoredTest) -> dict[str, Levels]:
    """Levels of each type's own scenarios and those of normality; absent where one class lacks."""
    blocks: dict[str, Levels] = {}
    for kind in (ScenarioType.STATIC, ScenarioType.DYNAMIC):
        chosen = {n for n, of in enumerate(test.strata.values()) if of in (kind, ScenarioType.NORMALITY)}
        pools = {level: test.pools[level].of(chosen) for level in BY_TYPE if level in test.pools}
        levels: Levels = {level: level_metrics(pool) for level, pool in pools.items() if pool}
        if levels:
            blocks[kind.name] = levels
    return blocks


def _calibration(calibration: ScoreCalibration, test: Bins) -> Block:
    """What validation promises of the probabilities, and what the test set shows."""
    made, promised = calibration.scaling, calibration.promised
    return {
        "slope": made.slope,
        "intercept": made.intercept,
        "test_error": test.error,
        "error_at_fraction": test.at_fraction(promised.share).error,
        "validation_error": promised.error,
        "positive_fraction": test.share,
        "validation_positive_fraction": promised.share,
    }


def _baselines_block(test: ScoredTest) -> Block:
    """Trivial scores, evaluated as the model's; a warning tells which of them gives the frames' labels away."""
    blocks = {name: level_metrics(pool) for name, pool in test.pools.items() if name not in LEVELS}
    nested = by_level({name: {key: block[key] for key in _BASELINE_NUMBERS} for name, block in blocks.items()})
    for name, block in nested.get("frame", {}).items():
        if gives_away(name, block):
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
    return {**asdict(group.metrics), "fpr95_exact": group.fpr95_exact}


def _nothing_to_compute(frames: list[PooledFrame]) -> str:
    what = "no anomaly in any sensor" if not any(f.anywhere for f in frames) else "positives or negatives only"
    return (
        f"the {len(frames)} frames of the test scenarios hold {what}, so that no metric can be computed; "
        "give data.root both normality and anomaly scenarios (for the sample: simulate.anomaly_scenarios)"
    )


def rounded(block: Block) -> Block:
    """All numbers to 9 decimals: the last bits of a float sum may differ from processor to processor."""
    return {
        key: rounded(value) if isinstance(value, Mapping) else round(value, 9) if isinstance(value, float) else value
        for key, value in block.items()
    }
