"""The preprocess stage on AnoVox's old sample layout, alone and beside release scenarios."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from lib.anovox.format import files, layout, writing
from lib.anovox.format.writing import write_scenario
from lib.common.errors import run_stage
from lib.geometry.frame import ScenarioType
from lib.shards.index import read_index
from lib.shards.shard_reader import read_shard
from stages.preprocess import main
from tests.anovox_sample import NORMALITY, SENSORS, STATIC, recording, renamed
from tests.old_layout_files import write_old_scenario
from tests.processes import environment

ROOT = Path(__file__).parents[2]
FRAMES = (996, 1000, 1004)
OLD_NORMALITY = renamed(NORMALITY, "Scenario_22222222-old")
OLD_STATIC = renamed(STATIC, "Scenario_33333333-old")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with params.yaml and, below data/old, a normality and a static scenario of the old layout."""
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["data"] |= {"root": "data"}
    params["execution"] |= {"workers": 1}
    params["preprocess"] |= {"trust_labels": True}  # pictures are noise
    Path("params.yaml").write_text(yaml.safe_dump(params))
    write_old_scenario(Path("data/old"), OLD_NORMALITY, recordings(None))
    write_old_scenario(Path("data/old"), OLD_STATIC, recordings(30))
    (Path("data/old") / "color_palette.txt").write_text("road 128 64 128\n")
    return tmp_path


def recordings(anomaly_id):
    made = [recording(frame_id, anomaly_id) for frame_id in FRAMES]
    return [
        replace(r, anomaly=r.anomaly and {**r.anomaly, "anomaly_type_id": "static.prop.o_lion_animal"}) for r in made
    ]


def shards():
    return {
        entry.scenario: (entry, read_shard(Path("data/shards") / entry.file))
        for entry in read_index(Path("data/shards"))
    }


def test_both_layouts_become_the_same_shards(project):
    write_scenario(Path("data/release"), NORMALITY, SENSORS, recordings(None))
    write_scenario(Path("data/release"), STATIC, SENSORS, recordings(30))
    main()
    found = shards()
    assert len(found) == 4
    for old_config, config in ((OLD_NORMALITY, NORMALITY), (OLD_STATIC, STATIC)):
        (old_entry, old), (entry, release) = found[old_config.name], found[config.name]
        assert old_entry.type is entry.type is config.type and old_entry.frames == 3
        assert old_entry.frames_with_anomaly == entry.frames_with_anomaly
        for name in ("frame_id", "image", "point_class", "pixel_class", "depth_m", "num_points", "speed_mps"):
            assert np.array_equal(getattr(old, name)[:], getattr(release, name)[:]), name
        assert np.array_equal(old.points[:][..., :3], release.points[:][..., :3])
        for i in range(3):
            assert np.array_equal(old.voxels(i), release.voxels(i))
    metrics = json.loads(Path("metrics/data.json").read_text())
    assert metrics["scenarios"] == {"normality": 2, "static": 2, "dynamic": 0, "unlabelled": 0}
    assert sum(metrics["skipped"].values()) == sum(metrics["skipped_scenarios"].values()) == 0
    assert {path.name for path in Path("plots/labels").iterdir()} == {"anomalies.png", "normality.png"}


def test_an_old_download_alone_with_damage(project, capsys):
    scenario = Path("data/old") / OLD_STATIC.name
    lidar, semantic = (scenario / folder / f"{folder}_1000.pcd" for folder in ("PCD", "SEMANTIC_PCD"))
    lidar.write_bytes(lidar.read_bytes()[:-7])
    semantic = scenario / "SEMANTIC_IMG" / "SEMANTIC_IMG_1004.png"
    colors = files.read_rgb(semantic, 20, 30)
    colors[3, 3] = (9, 9, 9)
    writing.write_png(semantic, colors)
    main()
    found = shards()
    assert {name: entry.type for name, (entry, _) in found.items()} == {
        OLD_NORMALITY.name: ScenarioType.NORMALITY,
        OLD_STATIC.name: ScenarioType.STATIC,
    }
    assert found[OLD_STATIC.name][1].frame_id.tolist() == [996, 1004]
    log = capsys.readouterr().out
    assert f"skipped frame: {lidar}: " in log
    assert (
        f"{OLD_STATIC.name}: SEMANTIC_IMG holds colours that AnoVox does not define, taken as unknown (255): #090909"
        in log
    )
    checked = subprocess.run(
        [sys.executable, "-m", "tools.check", "--workers", "1", "--json"],
        env=environment(),
        capture_output=True,
        text=True,
    )
    findings = {finding["name"]: finding["what"] for finding in json.loads(checked.stdout)["findings"]}
    assert str(lidar) in findings["bad_array"] and "#090909 (SEMANTIC_IMG)" in findings["undefined_class_ids"]
    metrics = json.loads(Path("metrics/data.json").read_text())
    assert metrics["skipped"]["bad_array"] == 1 and metrics["labels"]["frames_with_undefined_ids"] == 1


def test_a_release_scenario_without_its_setup_stays_a_finding_of_its_own(project):
    broken = write_scenario(Path("data/release"), STATIC, SENSORS, recordings(30))
    (broken / layout.SENSOR_SETUP).unlink()
    main()
    metrics = json.loads(Path("metrics/data.json").read_text())
    assert metrics["noticed"]["assumed_sensor_setup"] == 1 and len(shards()) == 3


def test_without_the_library_the_stage_says_what_to_install(project, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pypcd4", None)
    with pytest.raises(SystemExit) as caught:
        run_stage(main)
    assert caught.value.code == 1 and not Path("data/shards").exists()
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert sentence.startswith("error: the data set has .pcd files") and "pip install pypcd4" in sentence
