"""Which score is best, asked as a user does: a real process in a folder of its own."""

import subprocess
import sys
from pathlib import Path

import h5py
import pytest
import torch
import yaml

from lib.common.errors import DataError
from lib.model.detector import DetectorConfig, build_detector
from lib.model.model_file import save_detector
from lib.shards.index import open_entry, read_index
from lib.shards.split import assign_splits
from lib.study.score_choice import ALTERNATIVES
from tests.all_params import all_params
from tests.processes import environment
from tests.shard_data import write_street_shards

ROOT = Path(__file__).parents[2]
SPLIT = {"validation_fraction": 0.25, "test_fraction": 0.25}


@pytest.fixture
def project(tmp_path):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["split"].update(SPLIT)
    params["execution"]["device"] = "cpu"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    write_street_shards(tmp_path / "data" / "shards")
    torch.manual_seed(0)
    detector = build_detector(DetectorConfig("concat", 4, 4, 8, 32, 256, 15.0, -25.0))
    (tmp_path / "models").mkdir()
    save_detector(tmp_path / "models" / "weights.safetensors", detector)
    return tmp_path


def run(folder, *arguments):
    command = [sys.executable, "-m", "tools.compare_scores", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)


def test_every_alternative_is_rated_whatever_the_test_holds(project):
    shards = project / "data" / "shards"
    splits = assign_splits(read_index(shards), all_params(project / "params.yaml").split)
    tested = [entry for entry in read_index(shards) if splits[entry.scenario] == "test"]
    for entry in tested:
        with h5py.File(shards / entry.file, "r+") as file:
            file["image"][:] = 0
        with pytest.raises(DataError):
            open_entry(shards, entry)
    result = run(project, "--repeats", "4")
    assert tested and result.returncode == 0, result.stderr
    first, head, _, *rows = result.stdout.splitlines()
    assert first == "2 validation frames, scored 4 times; models/weights.safetensors"
    assert head.startswith("| predict.score | predict.frame_score | frame AUROC |")
    assert {tuple(row.strip("| ").split(" | ")[:2]) for row in rows} == set(ALTERNATIVES)


@pytest.mark.parametrize("missing", ["models/weights.safetensors", "data/shards/index.csv"])
def test_what_is_missing_is_one_sentence(project, missing):
    (project / missing).unlink()
    result = run(project)
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {missing}") and result.stderr.count("\n") == 1


def test_no_repeat_is_refused(project):
    result = run(project, "--repeats", "0")
    assert result.returncode == 2 and "--repeats must be 1 or more" in result.stderr
