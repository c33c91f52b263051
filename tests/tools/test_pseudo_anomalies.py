import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib.synthesis.examples import FAMILIES, KINDS, MAX_IMAGE_FRACTION, examples
from lib.views.range_view import make_views
from tests.followed_drive import write_followed_drives
from tests.processes import environment
from tests.shard_data import write_street_shards
from tests.synthesis.test_misfits import street_with_objects
from tests.views.streets import GRID
from tools.smoke import set_params

ROOT = Path(__file__).parents[2]
NORMAL = ("shadow (normal)", "dirt (normal)", "transplanted (normal)")


def test_examples_hold_what_their_label_says():
    views, _ = make_views(street_with_objects(12), GRID)
    found = list(examples(views, GRID, 2))
    alone = [example for example in found if example.kind == "misfit"]
    assert len(found) - len(alone) == (len(KINDS) - 1) * len(FAMILIES) * 2
    assert len(alone) == 2 and {example.families for example in alone} == {"training"}
    before = views.image_B3HW.permute(0, 2, 3, 1).numpy()
    for example in found:
        if example.kind in NORMAL:
            continue
        assert 0 < example.pixels.mean() <= MAX_IMAGE_FRACTION, example.kind
        closest = np.abs(before - example.image).mean((1, 2, 3)).argmin()
        moved = example.range_m != views.range_m_BRC[closest].numpy()
        assert moved.any() == (example.kind != "appearance only")
        assert example.cells.any()


@pytest.fixture
def project(tmp_path):
    write_street_shards(tmp_path / "data" / "shards")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def sheet(project, *args):
    command = [sys.executable, "-m", "tools.pseudo_anomalies", *args]
    return subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, check=False)


def test_the_sheet_is_drawn_the_same_each_time(project):
    assert sheet(project).returncode == 0
    path = project / "plots/pseudo_anomalies.png"
    first = path.read_bytes()
    assert np.asarray(Image.open(path).convert("L")).std() > 20
    assert sheet(project, "--each", "2").returncode == 0
    assert path.read_bytes() == first


def test_no_shards_is_one_sentence(project):
    shutil.rmtree(project / "data")
    result = sheet(project)
    assert result.returncode == 1 and result.stderr.startswith("error: data/shards") and result.stderr.count("\n") == 1


@pytest.fixture
def followed(tmp_path):
    """A project of drives with tracks, for a detector with a window."""
    write_followed_drives(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    set_params(tmp_path / "params.yaml", {"model.window": [0, 2, 5]})
    return tmp_path


def test_with_a_window_the_sheet_shows_re_timed_vehicles(followed):
    path = followed / "plots/pseudo_anomalies.png"
    result = sheet(followed, "--each", "1")
    assert result.returncode == 0, result.stderr
    first = path.read_bytes()
    assert sheet(followed, "--each", "1", "--tracks", "data/tracks").returncode == 0
    assert path.read_bytes() == first
    shutil.rmtree(followed / "data" / "tracks")
    result = sheet(followed, "--each", "1")
    assert result.returncode == 0 and "no vehicle ahead is followed for a second" in result.stdout
    with Image.open(path) as without, Image.open(io.BytesIO(first)) as whole:
        assert whole.width == without.width and whole.height > 1.1 * without.height
