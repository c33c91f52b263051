"""AnoVox's own files through the tools and stages, as a user runs them."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml

from lib.anovox.format import layout
from lib.common.labels import UNKNOWN
from lib.shards.index import read_index
from lib.shards.shard_reader import read_shard
from tests.anovox.reading.test_written import SETS, TRUTHS, WRITTEN
from tests.processes import ROOT, environment, python_path
from tools.smoke import TINY, copy_project


def run(folder, *command, code=None):
    variables = environment(PYTHONPATH=python_path(code or folder))
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )


def project(folder, name, **changes):
    """The pipeline in a folder of its own, with a copy of a golden set as its data."""
    copy_project(folder)
    shutil.copytree(WRITTEN / name / "data", folder / "data" / "anovox")
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    for key, value in {**TINY, "data.root": "data/anovox", "execution.device": "cpu", **changes}.items():
        section, _, param = key.partition(".")
        params[section][param] = value
    path.write_text(yaml.safe_dump(params))
    return folder


@pytest.mark.parametrize("name", SETS)
def test_check_finds_nothing_wrong_but_a_split_without_normality(tmp_path, name):
    done = run(project(tmp_path, name), "tools.check", "data/anovox", "--json", code=ROOT)
    found = json.loads(done.stdout)
    names = {finding["name"] for finding in found["findings"]} - {"no_anomaly"}
    expected = {
        "mono": {"short_drive"},  # its braking drives have three ticks
        "stereo": {"nothing_to_validate_on"},
        "definitions_only": {"nothing_to_train_on", "other_image_size", "other_lidar_channels"},
    }
    assert names == expected.get(name, {"nothing_to_train_on"})
    assert found["frames"]["skipped"] == 0 and done.returncode == (name != "mono")
    for key in ("class_agreement_off_outlines", "depth_agreement"):
        assert found["metrics"]["labels"][key] > 0.95
    assert found["metrics"]["labels"]["unlabelled_fraction"] == 0


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("sensors", ["forward", "all"])
def test_shards_hold_what_went_in(tmp_path, name, sensors):
    folder = project(tmp_path, name, **{"preprocess.sensors": sensors})
    done = run(folder, "stages.preprocess")
    assert done.returncode == 0, done.stderr
    shards = [read_shard(folder / "data" / "shards" / entry.file) for entry in read_index(folder / "data" / "shards")]
    assert {shard.scenario for shard in shards} == set(TRUTHS[name]["scenarios"])
    for shard in shards:
        frames = TRUTHS[name]["scenarios"][shard.scenario]["frames"]
        for place, frame_id in enumerate(np.asarray(shard.frame_id).tolist()):
            truth = frames[str(frame_id)]
            lidars = [v for k, v in truth["lidars"].items() if k.startswith("LIDAR")]
            points = int(shard.num_points[place])
            if sensors == "all":
                assert points == sum(lidar["num_points"] for lidar in lidars)
            else:
                assert points in [lidar["num_points"] for lidar in lidars]
            assert (shard.point_class[place, :points] != UNKNOWN).all()


@pytest.mark.parametrize("name", SETS)
def test_voxelize_writes_what_anovox_wrote(tmp_path, name):
    data = tmp_path / "data"
    shutil.copytree(WRITTEN / name / "data", data)
    for grid in data.glob(f"*/{layout.VOXEL_GRID}"):
        shutil.rmtree(grid)
    done = subprocess.run(
        [sys.executable, "-m", "tools.voxelize", str(data)], capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 0, done.stderr
    golden = sorted((WRITTEN / name / "data").glob(f"*/{layout.VOXEL_GRID}/*.npy"))
    assert len(golden) == (0 if name == "definitions_only" else sum(len(s["frames"]) for s in scenarios(name)))
    for path in golden:
        assert (data / path.relative_to(WRITTEN / name / "data")).read_bytes() == path.read_bytes()
    assert len(list(data.glob(f"*/{layout.VOXEL_GRID}/*.npy"))) == sum(len(s["frames"]) for s in scenarios(name))


def scenarios(name):
    return TRUTHS[name]["scenarios"].values()


@pytest.mark.slow
def test_mono_from_files_to_metrics_and_pictures(tmp_path):
    folder = project(tmp_path, "mono", **{"split.validation_fraction": 0.34, "split.test_fraction": 0.34})
    for stage in ("preprocess", "train", "predict", "evaluate", "plot"):
        done = run(folder, f"stages.{stage}")
        assert done.returncode == 0, done.stderr
    metrics = json.loads((folder / "metrics" / "evaluate.json").read_text())
    assert sum(metrics["scenarios"].values()) == 4 and metrics["frames"]["total"] == 12
    anomalous = {"6e1e9334", "3aa77192", "88fb3cb3"}
    positives = 0
    for entry in read_index(folder / "data" / "shards"):
        assert (entry.frames_with_anomaly > 0) == (entry.scenario[9:17] in anomalous)
        positives += entry.frames_with_anomaly
    assert positives == 5
    for level in ("pixel", "point", "voxel"):
        assert 0 <= metrics[level]["auroc"] <= 1
    assert (folder / "plots" / "detections" / "hits.png").exists()
