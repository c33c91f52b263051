"""AnoVox folders -> shards, the facts about the data, and the label proof sheets."""

from pathlib import Path

from lib.errors import run_stage
from lib.outputs import whole_folder, write_csv, write_json
from lib.params import load_params
from lib.scratch import shelf, store
from lib.shards.conversion import convert_data_set
from lib.shards.guards import check_labels, type_sentences
from lib.shards.label_report import SCENARIO_COLUMNS, label_sentences, scenario_rows
from lib.terminal import say

SHARDS = Path("data/shards")
METRICS = Path("metrics/data.json")
SCENARIOS = Path("plots/scenarios.csv")
SHEETS = Path("plots/labels")


def main() -> None:
    """Run the stage: nothing is left behind unless everything was written."""
    params = load_params()
    with whole_folder(SHARDS) as shards, whole_folder(SHEETS) as sheets:
        root, workers = Path(params.data.root), params.execution.workers
        data = convert_data_set(root, shards, params.preprocess, workers, shelf("preprocess"))
        from lib.figures.labels import write_label_sheets  # here: worker processes import this file, and not matplotlib

        types = {entry.scenario: entry.type for entry in data.entries}
        check_labels(data.statistics, types)
        write_label_sheets(shards, data.entries, sheets)
        write_json(METRICS, data.metrics)
        write_csv(SCENARIOS, SCENARIO_COLUMNS, scenario_rows(data.entries, data.statistics))
    for sentence in [*label_sentences(data.statistics), *type_sentences(data.statistics, types)]:
        say(sentence)
    frames = data.metrics["frames"]["total"]
    skipped = sum(data.metrics["skipped"].values())
    if data.reused:
        say(f"{data.reused} scenarios are unchanged, and their shards an earlier run's ({store()})")
    say(f"{len(data.statistics)} scenarios, {frames} frames in {SHARDS}, {skipped} frames skipped; look at {SHEETS}")


if __name__ == "__main__":
    run_stage(main)
