"""Data in any format -> shards, statistics of the data, and the label proof sheets."""

from pathlib import Path

from lib.common.cache import cache, store
from lib.common.errors import DataError, run_stage
from lib.common.outputs import atomic_folder, write_csv, write_json
from lib.common.params import DataParams, ExecutionParams, Sections, load_params
from lib.common.paths import DATA_METRICS, LABEL_METRICS, LABEL_SHEETS, SCENARIO_TABLE, SHARDS
from lib.common.terminal import log
from lib.geometry.frame import ScenarioType
from lib.preprocessing.conversion import convert_data_set
from lib.preprocessing.drive_checks import drive_notes
from lib.preprocessing.label_checks import explained, objections, undecided
from lib.preprocessing.label_guards import check_labels, type_sentences
from lib.preprocessing.label_report import (
    SCENARIO_COLUMNS,
    agreement_metrics,
    label_sentences,
    objection_sentence,
    scenario_rows,
)
from lib.preprocessing.preprocess_params import PreprocessParams
from lib.shards.index import INDEX_FILE

SHEET_FILES = ("anomalies.png", "normality.png")


class Params(Sections):
    """Sections of params.yaml that the stage reads."""

    data: DataParams
    preprocess: PreprocessParams
    execution: ExecutionParams


def main() -> None:
    """Run the stage; all outputs are written or none."""
    params = load_params(Params)
    expected = "*.h5", INDEX_FILE
    with atomic_folder(SHARDS, expected, INDEX_FILE) as shards, atomic_folder(LABEL_SHEETS, SHEET_FILES) as sheets:
        root, workers = Path(params.data.root), params.execution.workers
        data = convert_data_set(root, shards, params.preprocess, workers, cache("preprocess"), params.data.format)
        # Imported here, because worker processes import this module and do not need matplotlib.
        from lib.preprocessing.label_sheets import write_label_sheets

        types = {entry.scenario: entry.type for entry in data.entries}
        labelled = {n: each for n, each in data.statistics.items() if types[n] is not ScenarioType.UNLABELLED}
        if labelled:
            check_labels(labelled, types)
        found = [explained(each, data.sources) for each in objections(labelled)]
        if found and not params.preprocess.trust_labels:
            raise DataError(objection_sentence(found))
        write_label_sheets(shards, data.entries, sheets)
        write_json(DATA_METRICS, data.metrics)
        write_json(LABEL_METRICS, agreement_metrics(data.statistics, len(found), params.preprocess.trust_labels))
        write_csv(SCENARIO_TABLE, SCENARIO_COLUMNS, scenario_rows(data.entries, data.statistics))
    for each in found:
        log(f"labels, ignored by preprocess.trust_labels: {each.what}")
    for left_open in undecided(labelled):
        log(f"labels: {left_open.scenarios[0]} (of {len(left_open.scenarios)}): {left_open.what}")
    for note in drive_notes(data.statistics, types):
        log(f"drives: {note.sentence}")
    for sentence in [*label_sentences(labelled), *type_sentences(labelled, types)]:
        log(sentence)
    frames = data.metrics["frames"]["total"]
    skipped = sum(data.metrics["skipped"].values())
    if data.reused:
        log(f"{data.reused} scenarios are unchanged; their shards are reused from an earlier run ({store()})")
    log(
        f"{len(data.statistics)} scenarios, {frames} frames in {SHARDS}, {skipped} frames skipped; "
        f"look at {LABEL_SHEETS}"
    )


if __name__ == "__main__":
    run_stage(main)
