"""Score the predictions against the labels: metrics/evaluate.json and the tables for `dvc plots`."""

import csv
import io
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from lib.errors import run_stage
from lib.evaluation.inputs import ScoredScenario, scored_scenarios
from lib.evaluation.levels import ScenarioScores, score_scenario
from lib.evaluation.report import Report, evaluate
from lib.evaluation.tables import BREAKDOWN_COLUMNS, PRECISION_RECALL_COLUMNS, ROC_COLUMNS, SCORE_COLUMNS, Row
from lib.params import EvaluateParams, load_params

SHARDS = Path("data/shards")
PREDICTIONS = Path("data/predictions")
METRICS = Path("metrics/evaluate.json")
PLOTS = Path("plots")
CSV_DECIMALS = 6


def main() -> None:
    """Run the stage."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    params = load_params()
    scenarios = scored_scenarios(SHARDS, PREDICTIONS, params.split)
    report = _evaluate(scenarios, params.evaluate)
    _write(METRICS, json.dumps(report.metrics, indent=2, allow_nan=False) + "\n")
    _write(PLOTS / "roc.csv", _csv(ROC_COLUMNS, report.roc))
    _write(PLOTS / "pr.csv", _csv(PRECISION_RECALL_COLUMNS, report.precision_recall))
    _write(PLOTS / "scores.csv", _csv(SCORE_COLUMNS, report.scores))
    _write(PLOTS / "breakdown.csv", _csv(BREAKDOWN_COLUMNS, report.breakdown))


def _evaluate(scenarios: tuple[ScoredScenario, ...], params: EvaluateParams) -> Report:
    checked: set[str] = set()

    def read() -> Iterator[ScenarioScores]:
        for scored in scenarios:
            shard, predictions = scored.reread() if scored.scenario in checked else scored.read()
            checked.add(scored.scenario)
            yield score_scenario(shard, predictions, params)

    return evaluate(read, params)


def _csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: round(v, CSV_DECIMALS) if isinstance(v, float) else v for key, v in row.items()})
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    run_stage(main)
