import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.common.errors import DataError
from lib.evaluation.inputs import scored_scenarios
from lib.shards.predictions import read_predictions
from lib.shards.validation_scores import write_validation
from stages import evaluate
from tests.all_params import all_params
from tests.braking_sample import TEST_FRACTION, write_braking_sample
from tests.processes import python_path
from tests.scored_sample import change_predictions, made_up_validation, write_sample
from tools.smoke import set_params

ROOT = Path(__file__).parents[2]
TABLES = (
    *("roc.csv", "pr.csv", "scores.csv", "breakdown.csv"),
    *("events.csv", "first_detections.csv", "reliability.csv"),
)
OF_BRAKING = "braking.csv", "drives.csv"


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    root = tmp_path_factory.mktemp("sample")
    write_sample(root)
    shutil.copy(ROOT / "params.yaml", root)
    return root


@pytest.fixture
def project(sample, tmp_path, monkeypatch):
    """A project with shards, and predictions of its test scenarios; the working directory."""
    shutil.copytree(sample, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def outputs(project):
    paths = sorted(path for folder in ("metrics", "plots") for path in (project / folder).glob("*"))
    return {str(path.relative_to(project)): path.read_bytes() for path in paths}


def keys(block):
    """All keys of nested dictionaries."""
    for key, value in block.items():
        yield key
        yield from keys(value) if isinstance(value, dict) else ()


def test_writes_finite_metrics_and_tables_the_same_bytes_each_time(project):
    evaluate.main()
    first = outputs(project)
    assert set(first) == {
        "metrics/evaluate.json",
        "metrics/summary.json",
        *(f"plots/{name}" for name in (*TABLES, *OF_BRAKING)),
    }
    metrics = json.loads(first["metrics/evaluate.json"], parse_constant=pytest.fail)
    assert list(metrics) == [
        "frame", "frame_any", "frame_within", "pixel", "point", "point_all", "voxel", "anovox", "outside_shift",
        "scenarios", "frames", "events", "calibration", "baselines",
    ]  # fmt: skip
    assert "error" not in set(keys(metrics)), "DVC takes a key of this name for a failure to read the file"
    summary = json.loads(first["metrics/summary.json"], parse_constant=pytest.fail)
    assert summary["calibration"].pop("frame") == metrics["calibration"]["frame"]["test_error"]
    assert all(metrics[block][key] == number for block in summary for key, number in summary[block].items())
    assert 10 <= sum(map(len, summary.values())) <= 13
    assert metrics["scenarios"] == {"NORMALITY": 2, "STATIC": 6}
    assert 0.85 < metrics["point"]["auroc"] < 0.95  # skill 2: the normal distribution's 0.921
    for name in TABLES:
        rows = list(csv.reader(first[f"plots/{name}"].decode().splitlines()))
        assert len(rows) > 10 and {len(row) for row in rows} == {len(rows[0])}
        assert not {"nan", "inf", ""} & {cell for row in rows for cell in row}
    assert all(first[f"plots/{name}"].count(b"\n") == 1 for name in OF_BRAKING), "a header, and no drive"
    evaluate.main()
    assert outputs(project) == first


@pytest.fixture(scope="module")
def braking(tmp_path_factory):
    """A project after evaluate, with drives in which the vehicle ahead brakes; its output."""
    root = tmp_path_factory.mktemp("braking")
    write_braking_sample(root)
    shutil.copy(ROOT / "params.yaml", root)
    set_params(root / "params.yaml", {"split.test_fraction": TEST_FRACTION, "evaluate.bootstrap_resamples": 100})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        evaluate.main()
        return root, outputs(root)


def test_drives_that_brake_are_judged_beside_the_levels(braking):
    _, first = braking
    metrics = json.loads(first["metrics/evaluate.json"], parse_constant=pytest.fail)
    assert list(metrics)[-2:] == ["by_type", "braking"]
    assert set(metrics["by_type"]) == {"DYNAMIC"} and set(metrics["by_type"]["DYNAMIC"]) == {
        *("frame", "pixel", "point", "voxel")
    }
    assert metrics["by_type"]["DYNAMIC"]["frame"] == metrics["frame"], "there is no other type"
    block = metrics["braking"]
    assert (block["drives"], block["drives_without_onset"], block["hold_s"]) == (4, 0, 3.0)
    assert block["normal_minutes"] == pytest.approx((2 * 260 + 25 + 26 + 27 + 28) / 600)
    tracker = block["tracker"]
    assert tracker["detected_within_1_s"] == 1.0 and tracker["median_delay_s"] == pytest.approx(0.1)
    assert tracker["onset"]["positives"] == 40 and tracker["onset"]["negatives"] == 25 + 26 + 27 + 28
    summary = json.loads(first["metrics/summary.json"])["braking"]
    assert summary == {
        "detector_onset_auroc": block["detector"]["onset"]["auroc"],
        "detector_label_held_auroc": block["detector"]["label_held"]["auroc"],
        "detector_detected_within_1_s": block["detector"]["detected_within_1_s"],
        "tracker_onset_auroc": tracker["onset"]["auroc"],
    }
    rows = list(csv.DictReader(first["plots/braking.csv"].decode().splitlines()))
    assert [row["method"] for row in rows] == [key for key, value in block.items() if isinstance(value, dict)]
    assert not {"nan", "inf"} & {cell for row in rows for cell in row.values()}
    assert first["plots/drives.csv"].count(b"\n") == 1 + 4 * 60


def test_drives_that_brake_change_no_other_number_and_the_same_bytes_each_time(braking, tmp_path, monkeypatch):
    """Where no drive can be judged, all blocks but these two are as they were."""
    root, first = braking
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    evaluate.main()
    assert outputs(tmp_path) == first
    monkeypatch.setattr("lib.evaluation.braking_report.is_judged", lambda shard: False)
    evaluate.main()
    metrics = json.loads(first["metrics/evaluate.json"])
    del metrics["by_type"], metrics["braking"]
    assert json.loads((tmp_path / "metrics/evaluate.json").read_text()) == metrics


def test_missing_tracks(braking, tmp_path, monkeypatch):
    root, _ = braking
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    for folder in ("metrics", "plots", "data/tracks"):
        shutil.rmtree(tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    fails(r"data/tracks/Scenario_d0\.h5: there is no such track file; run `dvc repro track`")


def fails(match):
    with pytest.raises(DataError, match=match):
        evaluate.main()
    assert not Path("metrics").exists() and not Path("plots").exists()


def test_missing_predictions(project):
    (project / "data/predictions/Scenario_a03.h5").unlink()
    fails(r"data/predictions: lacks Scenario_a03.h5 of 8 test shards; run `dvc repro`")
    shutil.rmtree(project / "data/predictions")
    fails(r"data/predictions: lacks Scenario_a00.h5 and 7 more of 8 test shards; run `dvc repro`")


def test_validation_scores_missing_damaged_or_of_another_model(project):
    path = project / "data/validation.h5"
    whole = path.read_bytes()
    path.unlink()
    fails(r"data/validation\.h5: there is no such file of validation scores; run `dvc repro predict`")
    path.write_bytes(whole[: len(whole) // 2])
    fails(r"data/validation\.h5: damaged")
    write_validation(path, replace(made_up_validation(), model_fingerprint="another"))
    fails(r"Scenario_a00\.h5: is of another model than validation\.h5; `dvc repro -f predict` scores all anew")
    write_validation(path, replace(made_up_validation(), drive=np.full(240, 99, dtype=np.int32)))
    fails(r"data/validation\.h5: damaged \(a frame is of no drive\)")


def test_predictions_of_a_training_scenario(project):
    names = {path.name for path in (project / "data/shards").glob("*.h5")}
    stranger = min(names - {path.name for path in (project / "data/predictions").glob("*.h5")})
    shutil.copy(project / "data/predictions/Scenario_a03.h5", project / "data/predictions" / stranger)
    fails(f"holds {stranger}, not of the test scenarios; run `dvc repro`")


def test_predictions_of_two_models(project):
    change_predictions(project / "data/predictions/Scenario_a03.h5", model_fingerprint="another")
    fails(r"Scenario_a03\.h5: is of another model than validation\.h5; `dvc repro -f predict` scores all anew")


def test_predictions_under_another_scenario_name(project):
    shutil.copy(project / "data/predictions/Scenario_a03.h5", project / "data/predictions/Scenario_a02.h5")
    fails(r"Scenario_a02.h5: was made from another shard than data/shards/Scenario_a02.h5; run `dvc repro`")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: {"shard_fingerprint": "0" * 32}, "was made from another shard"),
        (lambda p: {"frame_id": p.frame_id + 1}, "the frame ids differ"),
        (lambda p: {"num_points": p.num_points - 1}, "the numbers of points differ"),
        (lambda p: {"point_score": p.point_score[:, :-1]}, "the numbers of points differ"),
        (lambda p: {"pixel_score": p.pixel_score[:, ::2]}, "the images are not 48 x 72"),
        (lambda p: {"frame_score": np.append(p.frame_score[:-1], np.inf)}, "frame_score of frame 30 is not finite"),
        (lambda p: {"pixel_score": np.where(p.pixel_score > 3, np.nan, p.pixel_score)}, "pixel_score of frame"),
        (lambda p: {"point_score": p.point_score * np.float32("nan")}, "point_score of frame 0 is not finite"),
    ],
)
def test_predictions_that_do_not_fit_or_are_not_finite(project, change, message):
    path = project / "data/predictions/Scenario_a03.h5"
    change_predictions(path, **change(read_predictions(path)))
    fails(f"Scenario_a03.h5: .*{message}.*`dvc repro")


def test_padding_may_hold_anything(project):
    evaluate.main()
    before = outputs(project)
    path = project / "data/predictions/Scenario_a03.h5"
    p = read_predictions(path)
    padding = np.arange(p.point_score.shape[1]) >= p.num_points[:, None]
    assert padding.any()
    change_predictions(path, point_score=np.where(padding, np.nan, p.point_score))
    evaluate.main()
    assert outputs(project) == before


def test_only_normality_to_test_on(tmp_path, monkeypatch):
    write_sample(tmp_path, anomaly_scenarios=0)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    fails("hold no anomaly in any sensor, so that no metric can be computed")


def test_a_user_sees_one_sentence_and_a_failing_exit_status(project):
    (project / "data/shards/index.csv").unlink()
    result = subprocess.run(
        [sys.executable, "-m", "stages.evaluate"],
        cwd=project,
        env={"PYTHONPATH": python_path(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("error: data/shards/index.csv: ") and result.stderr.count("\n") == 1


def test_sigterm_ends_it_at_once_and_leaves_nothing_behind(project):
    code = (
        "import os, signal\n"
        "from lib.common.errors import run_stage\n"
        "from stages import evaluate\n"
        "evaluate.with_baselines = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
        "run_stage(evaluate.main)\n"
    )
    command, environment = [sys.executable, "-c", code], {"PYTHONPATH": python_path(ROOT)}
    result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (143, "stopped: by SIGTERM; run it again to go on\n")
    assert outputs(project) == {} and not list(project.rglob(".*.partial"))


def test_test_scenarios_come_by_name(project):
    scenarios = scored_scenarios(Path("data/shards"), Path("data/predictions"), all_params().split)
    assert [s.scenario for s in scenarios] == sorted(s.scenario for s in scenarios)
    assert {s.scenario for s in scenarios} >= {f"Scenario_a{n:02}" for n in range(6)}
