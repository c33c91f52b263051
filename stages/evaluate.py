"""Evaluate the predictions: metrics/evaluate.json, its summary, and the tables for `dvc plots`."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from lib.common.cache import code_fingerprint, fingerprint, resumable_work
from lib.common.errors import run_stage
from lib.common.outputs import exclusive_lock, write_csv, write_json
from lib.common.params import ExecutionParams, Sections, load_params
from lib.common.paths import EVALUATE_METRICS, PREDICTIONS, SHARDS, SUMMARY, TABLES, VALIDATION_SCORES
from lib.common.terminal import log, log_to_stderr
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.inputs import ScoredScenario, scored_scenarios
from lib.evaluation.levels import ScenarioScores, score_in_parts
from lib.evaluation.metrics_report import Report, evaluate
from lib.evaluation.operating_points import EVENT_COLUMNS, FIRST_DETECTION_COLUMNS
from lib.evaluation.plot_tables import (
    BREAKDOWN_COLUMNS,
    PRECISION_RECALL_COLUMNS,
    RELIABILITY_COLUMNS,
    ROC_COLUMNS,
    SCORE_COLUMNS,
    Row,
)
from lib.evaluation.progress import EvaluationCheckpoint
from lib.evaluation.result_guards import check_one_model
from lib.evaluation.summary import summary_of
from lib.evaluation.trivial_baselines import with_baselines
from lib.shards.predictions import PREDICTIONS_KIND
from lib.shards.schema import SHARD_KIND
from lib.shards.split_params import SplitParams
from lib.shards.storage import FileKind, read_arrays
from lib.shards.validation_scores import VALIDATION_KIND, ValidationScores, read_validation

CSV_DECIMALS = 6


class Params(Sections):
    """Sections of params.yaml that the stage reads."""

    split: SplitParams
    evaluate: EvaluateParams
    execution: ExecutionParams


def main() -> None:
    """Run the stage."""
    log_to_stderr("%(levelname)s: %(message)s")
    params = load_params(Params)
    scenarios = scored_scenarios(SHARDS, PREDICTIONS, params.split)
    validation = read_validation(VALIDATION_SCORES)
    key = _key(scenarios, params.evaluate)
    with resumable_work("evaluate", key) as folder:
        notes = EvaluationCheckpoint(folder / "state.safetensors", key, params.execution.checkpoint_seconds, log)
        _write(_evaluate(scenarios, validation, params.evaluate, notes))


def _write(report: Report) -> None:
    with exclusive_lock(EVALUATE_METRICS.parent):
        write_json(EVALUATE_METRICS, report.metrics)
        write_json(SUMMARY, summary_of(report.metrics))
        write_csv(TABLES / "roc.csv", ROC_COLUMNS, _rounded(report.roc))
        write_csv(TABLES / "pr.csv", PRECISION_RECALL_COLUMNS, _rounded(report.precision_recall))
        write_csv(TABLES / "scores.csv", SCORE_COLUMNS, _rounded(report.scores))
        write_csv(TABLES / "breakdown.csv", BREAKDOWN_COLUMNS, _rounded(report.breakdown))
        write_csv(TABLES / "events.csv", EVENT_COLUMNS, _rounded(report.events))
        write_csv(TABLES / "first_detections.csv", FIRST_DETECTION_COLUMNS, _rounded(report.first_detections))
        write_csv(TABLES / "reliability.csv", RELIABILITY_COLUMNS, _rounded(report.reliability))


def _key(scenarios: tuple[ScoredScenario, ...], params: EvaluateParams) -> str:
    """Fingerprint of everything that an evaluation depends on."""
    read = [[_mark(s.shard, SHARD_KIND), _mark(s.predictions, PREDICTIONS_KIND)] for s in scenarios]
    names = [[s.scenario, s.camera] for s in scenarios]
    made_from = names, read, _mark(VALIDATION_SCORES, VALIDATION_KIND), params.model_dump(mode="json")
    return fingerprint(*made_from, code_fingerprint("evaluate"))


def _mark(path: Path, kind: FileKind) -> str:
    """Fingerprint stored in a file; it is verified only when the content is read."""
    return str(read_arrays(path, kind, (), verify=False)[1].get("fingerprint"))


def _evaluate(
    scenarios: tuple[ScoredScenario, ...],
    validation: ValidationScores,
    params: EvaluateParams,
    notes: EvaluationCheckpoint,
) -> Report:
    checked: set[Path] = set()
    models = {validation.model_fingerprint}

    def read(scored: ScoredScenario) -> Iterator[ScenarioScores]:
        shard, predictions = scored.reread() if scored.shard in checked else scored.read()
        checked.add(scored.shard)
        models.add(predictions.model_fingerprint)
        check_one_model(models)
        for part in score_in_parts(shard, predictions, params):
            yield with_baselines(shard, part, params)

    return evaluate([partial(read, scored) for scored in scenarios], params, validation, notes)


def _rounded(rows: Sequence[Row]) -> list[Row]:
    return [{key: round(v, CSV_DECIMALS) if isinstance(v, float) else v for key, v in row.items()} for row in rows]


if __name__ == "__main__":
    run_stage(main)
