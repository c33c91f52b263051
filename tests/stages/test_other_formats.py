"""The stages on data without labels: preprocess takes KITTI and plain folders, train and evaluate refuse the shards."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from lib.common.errors import run_stage
from lib.geometry.frame import ScenarioType
from lib.shards.index import read_index
from lib.shards.shard_reader import read_shard
from stages import evaluate, preprocess, train
from tests.sensor_files import (
    ELEVATIONS_DEG,
    HEIGHT,
    P2,
    WIDTH,
    cloud,
    image,
    raw_cloud,
    write_folder,
    write_kitti_object,
    write_kitti_odometry,
)
from tools import check

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def set_params(data_format, **preprocessing):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["data"] |= {"format": data_format, "root": "raw"}
    params["preprocess"] |= preprocessing
    params["execution"] |= {"workers": 1}
    Path("params.yaml").write_text(yaml.safe_dump(params))


def fails(capsys, stage):
    with pytest.raises(SystemExit) as caught:
        run_stage(stage.main)
    assert caught.value.code == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def metrics():
    found = json.loads(Path("metrics/data.json").read_text())
    assert all(math.isfinite(value) for group in found.values() for value in group.values())
    return found


def test_a_plain_folder(project, capsys):
    write_folder(project / "raw" / "drive", ["0", "1", "2"], {"frames_per_second": 10})
    (project / "raw" / "drive" / "images" / "1.png").write_bytes(b"no image")
    write_folder(project / "raw" / "without", ["0"])
    (project / "raw" / "without" / "calibration.yaml").unlink()
    set_params("folder")
    preprocess.main()
    (entry,) = read_index(Path("data/shards"))
    assert (entry.scenario, entry.type, entry.frames) == ("drive", ScenarioType.UNLABELLED, 2)
    shard = read_shard(Path("data/shards") / entry.file)
    for index, number in enumerate((0, 2)):
        expected = raw_cloud(number)
        expected[:, 3] = (expected[:, 3].astype(np.float64) / 255).astype(np.float32)
        frame = shard.frame(index)
        np.testing.assert_array_equal(frame.image, image(number))
        np.testing.assert_array_equal(frame.points, expected)
        assert frame.time_s == number / 10 and (frame.point_class == 255).all() and np.isnan(frame.depth_m).all()
    np.testing.assert_allclose(shard.lidars[0].elevations_deg, ELEVATIONS_DEG, atol=1e-3)
    found = metrics()
    assert found["scenarios"] == {"normality": 0, "static": 0, "dynamic": 0, "unlabelled": 1}
    assert found["frames"]["total"] == 2 and found["points"]["labelled_fraction"] == 0
    assert found["skipped"]["damaged_image"] == 1 and found["skipped_scenarios"]["missing_sensor_setup"] == 1
    assert [path.name for path in Path("plots/labels").iterdir()] == ["normality.png"]
    logged = capsys.readouterr()
    assert "1.png: the image cannot be decoded" in logged.err + logged.out
    assert "there is no calibration.yaml" in logged.err + logged.out


def test_kitti_sequences(project):
    for name in ("00", "01"):
        write_kitti_odometry(project / "raw" / "sequences" / name, 2)
    set_params("kitti", image_height=20, image_width=62)
    preprocess.main()
    entries = read_index(Path("data/shards"))
    assert [(entry.scenario, entry.frames) for entry in entries] == [("sequences_00", 2), ("sequences_01", 2)]
    shard = read_shard(Path("data/shards") / entries[1].file)
    np.testing.assert_array_equal(shard.frame(1).points, cloud(1))
    assert (shard.camera.width_px, shard.camera.height_px) == (62, 20)
    assert shard.camera.fx_px == pytest.approx(P2[0, 0] * 62 / WIDTH) and metrics()["frames"]["total"] == 4
    before = {path.name: path.read_bytes() for path in Path("data/shards").iterdir()}
    preprocess.main()  # from the cache
    assert {path.name: path.read_bytes() for path in Path("data/shards").iterdir()} == before


def test_two_folders_of_one_name(project, capsys):
    for name in ("a/b", "a_b"):
        write_folder(project / "raw" / name, ["0"])
    set_params("folder")
    assert "raw/a/b and raw/a_b both become the recording a_b; rename one" in fails(capsys, preprocess)


def test_images_of_several_sizes_need_one(project, capsys):
    write_kitti_object(project / "raw", {"000001": (P2, (HEIGHT, WIDTH)), "000002": (P2, (HEIGHT - 1, WIDTH))})
    set_params("kitti")
    assert "the images differ in size (39 x 124, 40 x 124); set both" in fails(capsys, preprocess)
    assert not Path("data/shards").exists()


@pytest.mark.parametrize("stage", [train, evaluate])
def test_unlabelled_shards_are_neither_trained_on_nor_evaluated(project, capsys, stage):
    write_folder(project / "raw" / "drive", ["0"])
    set_params("folder")
    preprocess.main()
    assert "the shards hold recordings without labels" in fails(capsys, stage)


@pytest.mark.parametrize(
    ("data_format", "part"), [("kitti", "holds no KITTI data"), ("folder", "holds no folder with images/ and clouds/")]
)
def test_data_of_another_format(project, capsys, data_format, part):
    (project / "raw").mkdir()
    set_params(data_format)
    assert part in fails(capsys, preprocess)


def test_the_check_is_of_anovox(project, capsys, monkeypatch):
    set_params("kitti")
    monkeypatch.setattr("sys.argv", ["check"])
    assert "data.format: got 'kitti', but only AnoVox has labels to check" in fails(capsys, check)
