"""Evaluate the predictions: metrics/evaluate.json, its summary, and the tables for `dvc plots`."""

from collections.abc import Iterator, Sequence

from lib.common.errors import run_stage
from lib.common.outputs import exclusive_lock, write_csv, write_json
from lib.common.params import Sections, load_params
from lib.common.paths import EVALUATE_METRICS, PREDICTIONS, SHARDS, SUMMARY, TABLES, TRACKS, VALIDATION_SCORES
from lib.common.terminal import log_to_stderr
from lib.evaluation.braking_report import BRAKING_COLUMNS, DRIVE_COLUMNS, BrakingCounter, BrakingReport
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.inputs import ScoredScenario, opened, scored_scenarios
from lib.evaluation.levels import ScenarioScores, score_in_parts
from lib.evaluation.metrics_report import Report, evaluate, rounded
from lib.evaluation.operating_points import EVENT_COLUMNS, FIRST_DETECTION_COLUMNS
from lib.evaluation.plot_tables import (
    BREAKDOWN_COLUMNS,
    PRECISION_RECALL_COLUMNS,
    RELIABILITY_COLUMNS,
    ROC_COLUMNS,
    SCORE_COLUMNS,
    Row,
)
from lib.evaluation.summary import summary_of
from lib.evaluation.trivial_baselines import with_baselines
from lib.geometry.frame import ScenarioType
from lib.shards.split_params import SplitParams
from lib.shards.validation_scores import ValidationScores, read_validation

CSV_DECIMALS = 6


class Params(Sections):
    """Sections of params.yaml that the stage reads."""

    split: SplitParams
    evaluate: EvaluateParams


def main() -> None:
    """Run the stage."""
    log_to_stderr("%(levelname)s: %(message)s")
    params = load_params(Params)
    scenarios = scored_scenarios(SHARDS, PREDICTIONS, params.split)
    validation = read_validation(VALIDATION_SCORES)
    dynamic = any(scored.scenario_type is ScenarioType.DYNAMIC for scored in scenarios)
    counter = BrakingCounter(TRACKS, params.evaluate) if dynamic else None
    report = evaluate(_scores(scenarios, validation, params.evaluate, counter), params.evaluate, validation)
    _write(report, counter.finish() if counter else None)


def _scores(
    scenarios: tuple[ScoredScenario, ...],
    validation: ValidationScores,
    params: EvaluateParams,
    counter: BrakingCounter | None,
) -> Iterator[ScenarioScores]:
    for shard, predictions in opened(scenarios, validation.model_fingerprint, VALIDATION_SCORES.name):
        for part in score_in_parts(shard, predictions, params):
            if counter:
                counter.add(shard, predictions, part)
            yield with_baselines(shard, part, params)


def _write(report: Report, braking: BrakingReport | None) -> None:
    metrics = dict(report.metrics)
    if braking:
        metrics |= rounded({"by_type": report.by_type, "braking": braking.block})
    with exclusive_lock(EVALUATE_METRICS.parent):
        write_json(EVALUATE_METRICS, metrics)
        write_json(SUMMARY, summary_of(metrics))
        # Without drives that brake the tables hold no row: DVC wants all of a stage's outputs.
        write_csv(TABLES / "braking.csv", BRAKING_COLUMNS, _rounded(braking.methods if braking else []))
        write_csv(TABLES / "drives.csv", DRIVE_COLUMNS, braking.drives if braking else [])
        write_csv(TABLES / "roc.csv", ROC_COLUMNS, _rounded(report.roc))
        write_csv(TABLES / "pr.csv", PRECISION_RECALL_COLUMNS, _rounded(report.precision_recall))
        write_csv(TABLES / "scores.csv", SCORE_COLUMNS, _rounded(report.scores))
        write_csv(TABLES / "breakdown.csv", BREAKDOWN_COLUMNS, _rounded(report.breakdown))
        write_csv(TABLES / "events.csv", EVENT_COLUMNS, _rounded(report.events))
        write_csv(TABLES / "first_detections.csv", FIRST_DETECTION_COLUMNS, _rounded(report.first_detections))
        write_csv(TABLES / "reliability.csv", RELIABILITY_COLUMNS, _rounded(report.reliability))


def _rounded(rows: Sequence[Row]) -> list[Row]:
    return [{key: round(v, CSV_DECIMALS) if isinstance(v, float) else v for key, v in row.items()} for row in rows]


if __name__ == "__main__":
    run_stage(main)
