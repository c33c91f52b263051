import json
from dataclasses import replace
from typing import Any

import pytest

from lib.common.errors import DataError
from lib.study.comparisons import add_comparisons, comparison_of, comparison_table, pairs_of, read_comparisons
from lib.study.result_rows import add_rows, read_rows, row_of
from lib.study.results_page import BEGIN, END, missing, put_tables, tables
from lib.study.study_plan import (
    BASELINES,
    DATA,
    METHODS,
    SENSORS,
    TRAINING_SEEDS,
    VARIANTS,
    command,
    commands,
    plan,
    row_names,
)
from tests.all_params import all_params

LEVEL = {"auroc": 0.8, "auroc_low": 0.7, "auroc_high": 0.9, "ap": 0.5, "ap_low": 0.4, "ap_high": 0.6}
EVALUATED: dict[str, Any] = {
    **{level: {**LEVEL, "fpr95": 0.3, "positives": 20, "negatives": 60} for level in ("frame", "point", "voxel")},
    "baselines": {"frame": {"random": {"auroc": 0.51}, "range": {"auroc": 0.48}}},
    "scenarios": {"normality": 40, "static": 72},
    "events": {
        "objects": 52,
        "found": 39,
        "detection_rate": 0.75,
        "detection_rate_low": 0.6,
        "detection_rate_high": 0.85,
        "first_detection_m": 11.54,
    },
}


def finished(run, frame_auroc=0.8):
    evaluated = {**EVALUATED, "frame": {**EVALUATED["frame"], "auroc": frame_auroc}}
    return [row_of(run, name, "0123456789abcdef", evaluated, 3.21) for name in run.names]


def test_every_variant_and_baseline_runs_with_every_seed_most_important_first():
    runs = plan("default", {})
    assert {run.names[0] for run in runs[:4]} == set(VARIANTS) and runs[4].kind == "baselines"
    assert {run.seed for run in runs[:5]} == {TRAINING_SEEDS[0]}
    fused = [variant for variant in VARIANTS if variant not in ("image", "lidar")]
    lost = [f"{variant} without {sensor}" for variant in fused for sensor in ("image", "LiDAR")]
    assert sorted(row for run in runs for row in run.rows) == sorted(
        f"default/{name}/seed {seed}" for name in (*VARIANTS, *lost, *BASELINES) for seed in TRAINING_SEEDS
    )
    assert len(BASELINES) == len(SENSORS) * len(METHODS) == 12


def test_scales_change_params_that_exist_and_fraction_no_simulator_seed_with_the_sample():
    params = all_params()
    for changes in DATA.values():
        for key in changes:
            section, name = key.split(".")
            assert hasattr(getattr(params, section), name), key
    seeds = [params.simulate.seed, *(changes["simulate.seed"] for changes in DATA.values())]
    assert len(set(seeds)) == len(seeds)


def test_sensors_apart_compare_attention_with_concatenation_over_every_seed():
    runs = plan("apart", {})
    assert [(run.names, run.seed) for run in runs] == [
        (row_names(name), seed) for seed in TRAINING_SEEDS for name in ("concat", "cross_attention")
    ]
    assert "-S simulate.lidar_offset_m=[-0.5,0.4,0.6]" in command(runs[0])


def test_the_large_test_holds_at_least_300_scenarios():
    large: dict[str, Any] = dict(DATA["large"].items())
    held_back = round(large["simulate.normality_scenarios"] * large["split.test_fraction"])
    assert held_back + large["simulate.anomaly_scenarios"] >= 300


def test_extra_changes_come_last():
    (changes,) = {dict(run.changes)["simulate.seed"] for run in plan("large", {"simulate.seed": 9})}
    assert changes == 9
    first = plan("default", {})[0]
    assert "-S train.seed=1 -S model.fusion=concat" in command(first)
    assert [line.endswith(" evaluate") for line in commands(first)] == [False, True, True]
    assert "-S predict.blackout=image" in commands(first)[1] and "-S predict.blackout=lidar" in commands(first)[2]


def test_a_model_of_both_sensors_is_tested_with_either_lost():
    concat, lidar, *_ = plan("default", {})
    assert lidar.names == ("lidar",) and "predict.blackout" not in concat.changes_of("concat")
    blackouts = [concat.changes_of(name)["predict.blackout"] for name in concat.names[1:]]
    assert concat.names[1:] == ("concat without image", "concat without LiDAR") and blackouts == ["image", "lidar"]
    assert [row.changes.get("predict.blackout") for row in finished(concat)] == [None, "image", "lidar"]


def test_rows_are_kept_replaced_and_not_run_again(tmp_path):
    path = tmp_path / "results.json"
    runs = plan("default", {})
    add_rows(path, finished(runs[0]))
    add_rows(path, finished(runs[4]))
    rows = add_rows(path, finished(runs[0], frame_auroc=0.9))
    assert rows == read_rows(path) and len(rows) == 3 + len(BASELINES)
    assert rows[-3].metrics["frame"]["auroc"] == 0.9 and rows[-3].scenarios == 112
    assert missing(runs, rows) == [run for run in runs if run not in (runs[0], runs[4])]
    assert "fpr95" not in json.loads(path.read_text())[0]["metrics"]["frame"]


def test_what_ran_by_other_params_is_run_again():
    before, now = plan("default", {"train.epochs": 6}), plan("default", {"train.epochs": "7"})
    assert missing(before, finished(before[0])) == before[1:]
    assert missing(now, finished(before[0])) == now


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "results.json").write_text('[{"scale": "default"}]')
    with pytest.raises(DataError, match=r"results\.json: not a table of results"):
        read_rows(tmp_path / "results.json")


def test_means_spreads_and_what_was_not_run():
    runs = plan("default", {})
    concat = [run for run in runs if run.names[0] == "concat"]
    rows = [row for run, auroc in zip(concat, (0.7, 0.8, 0.9), strict=True) for row in finished(run, auroc)]
    text = tables(rows, [])
    assert "| concat | 3 | 0.800 ± 0.100 [0.700, 0.900] | 0.500 ± 0.000 [0.400, 0.600] | 0.800 ± 0.000 |" in text
    assert "Not run: lidar, image, cross_attention" in text and "| lidar |" not in text
    assert "112 test scenarios; 20 of 80 frames anomalous" in text and "52 objects. Commit 0123456." in text
    assert "random 0.510, range 0.480" in text
    assert "| concat | 3 | " in text and "| 0.750 ± 0.000 [0.600, 0.850] |" in text
    assert text.split("### Large scale")[1].startswith("\nNot run.")
    assert text.split("### Sensors apart, at the default scale")[1].startswith("\nNot run.")
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_a_level_that_was_not_computed_leaves_its_cell_empty():
    row, *_ = finished(plan("default", {})[0])
    metrics = {level: block for level, block in row.metrics.items() if level != "voxel"}
    text = tables([replace(row, metrics=metrics, events={})], [])
    assert "| concat | 1 | 0.800 [0.700, 0.900] | 0.500 [0.400, 0.600] | 0.800 |  |  |  |" in text


def test_params_beside_those_of_the_scale_are_named():
    assert "Other params" not in tables(finished(plan("apart", {})[0]), [])
    assert "Other params: train.epochs=3." in tables(finished(plan("apart", {"train.epochs": 3})[0]), [])


def test_a_lost_sensor_is_not_said_of_the_whole_table():
    rows = finished(plan("large", {})[0])
    text = tables([*rows[1:], rows[0]], [])
    assert "predict.blackout" not in text.split("### Large scale")[1]


def test_what_is_written_by_hand_stays(tmp_path):
    page = tmp_path / "results.md"
    page.write_text(f"# Results\n{BEGIN}\nold\n{END}\nby hand\n")
    put_tables(page, [], [])
    text = page.read_text()
    assert text.startswith(f"# Results\n{BEGIN}\n### Default scale") and text.endswith(f"{END}\nby hand\n")
    assert "old" not in text
    page.write_text("no marks")
    with pytest.raises(DataError, match="must hold the lines"):
        put_tables(page, [], [])


def compared(high=0.2):
    """What tools.compare prints."""
    shared = {
        "number": "ap",
        "first": 0.5,
        "second": 0.7,
        "difference": 0.2,
        "low": -0.1,
        "above": 0.9,
        "level": "point",
    }
    numbers = {"positives": 5, "negatives": 50}
    rows = [
        {**shared, **numbers, "group": "", "high": 0.3},
        {**shared, **numbers, "group": "kind both", "high": high, "difference": -0.2},
        {**shared, **numbers, "group": "", "number": "auroc", "high": 0.3},
    ]
    return json.dumps(rows)


def test_pairs_are_compared_once_both_have_run():
    concat, lidar, image, attention = plan("default", {})[:4]
    assert pairs_of(concat, []) == []
    assert pairs_of(lidar, ["concat"]) == [("lidar", "concat")]
    assert pairs_of(attention, ["concat", "lidar", "image"]) == [("concat", "cross_attention")]
    assert pairs_of(image, ["lidar"]) == []


def test_comparisons_are_kept_and_shown(tmp_path):
    path = tmp_path / "comparisons.json"
    run = plan("default", {})[0]
    add_comparisons(path, [comparison_of(run, ("lidar", "concat"), compared())])
    again = add_comparisons(path, [comparison_of(run, ("lidar", "concat"), compared(high=-0.05))])
    assert again == read_comparisons(path) and len(again) == 1
    text = comparison_table(again)
    assert "| paired difference | seeds | frame AUROC | point AP |" in text
    assert "| concat minus lidar | 1 |  | +0.200 [-0.100, +0.300] |" in text
    assert comparison_table([]) == ""
    assert text in tables(finished(run), again)


def test_differences_are_averaged_over_the_seeds():
    runs = [run for run in plan("default", {}) if run.names[0] == "lidar"][:2]
    one = comparison_of(runs[0], ("lidar", "concat"), compared())
    two = comparison_of(runs[1], ("lidar", "concat"), compared().replace('"difference": 0.2', '"difference": 0.4'))
    text = comparison_table([two, one, comparison_of(runs[1], ("image", "concat"), compared())])
    assert "| concat minus lidar | 2 |  | +0.300 ± 0.141 [-0.100, +0.300] |" in text
    assert "| concat minus image | 1 |  | +0.200 [-0.100, +0.300] |" in text
