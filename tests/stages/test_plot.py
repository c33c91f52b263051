import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from lib.common.errors import DataError
from lib.figures.cases import CATEGORIES
from stages import evaluate, plot
from tests.braking_sample import TEST_FRACTION, write_braking_sample
from tests.scored_sample import write_sample
from tools.smoke import set_params

ROOT = Path(__file__).parents[2]
TRAINING = "epoch,train_loss,validation_loss,learning_rate\n1,2.0,2.1,0.003\n2,1.0,1.2,0.001\n"
FIGURES = {
    *("training.png", "roc.png", "precision_recall.png", "scores.png", "breakdown.png"),
    *("reliability.png", "events.png"),
}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A project after evaluate, with one gallery frame per category."""
    root = tmp_path_factory.mktemp("evaluated")
    write_sample(root, anomaly_scenarios=3, normality_scenarios=5, skill=1.0)
    shutil.copy(ROOT / "params.yaml", root)
    set_params(root / "params.yaml", {"plot.gallery_frames": 1, "plot.dpi": 40, "execution.workers": 1})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        evaluate.main()
    (root / "plots/training.csv").write_text(TRAINING)
    return root


@pytest.fixture
def project(evaluated, tmp_path, monkeypatch):
    shutil.copytree(evaluated, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pictures(project):
    return {
        str(path.relative_to(project / "plots")): path.read_bytes()
        for folder in ("figures", "detections")
        for path in sorted((project / "plots" / folder).iterdir())
    }


def test_draws_all_pictures_the_same_bytes_whatever_the_users_style_and_the_workers(project):
    plot.main()
    first = pictures(project)
    gallery = {f"detections/{category}{end}.png" for category in CATEGORIES for end in ("", "_01")}
    assert set(first) == gallery | {f"figures/{name}" for name in FIGURES}
    for name, data in first.items():
        assert b"Software" not in data and b"Matplotlib" not in data
        pixels = np.asarray(Image.open(project / "plots" / name).convert("RGB"))
        assert pixels.shape[0] > 50 and pixels.std() > 5, name
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red"}):
        plot.main()
    assert pictures(project) == first
    set_params(project / "params.yaml", {"execution.workers": 2})
    plot.main()
    assert pictures(project) == first
    assert not [path for path in (project / "plots").iterdir() if path.name.startswith(".")]


def test_a_failure_leaves_the_old_pictures_and_nothing_half_written(project):
    plot.main()
    before = pictures(project)
    (project / "plots/pr.csv").write_text("level,recall\n")
    with pytest.raises(DataError, match=r"pr\.csv: lacks the column precision"):
        plot.main()
    assert pictures(project) == before
    assert not [path for path in (project / "plots").iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    "missing",
    ["plots/training.csv", "plots/roc.csv", "plots/scores.csv", "plots/events.csv", "metrics/evaluate.json"],
)
def test_missing_inputs(project, missing):
    (project / missing).unlink()
    with pytest.raises(DataError, match=rf"{missing}: cannot be read \(No such file or directory\); run `dvc repro`"):
        plot.main()
    assert not (project / "plots/figures").exists() and not (project / "plots/detections").exists()


def test_missing_predictions(project):
    shutil.rmtree(project / "data/predictions")
    with pytest.raises(DataError, match="data/predictions: lacks"):
        plot.main()


def test_drives_that_brake_have_figures_of_their_own(tmp_path, monkeypatch):
    """One of each: the best, the middle and the worst of four; the same bytes each time."""
    write_braking_sample(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    changes = {"split.test_fraction": TEST_FRACTION, "evaluate.bootstrap_resamples": 100}
    changes |= {"plot.gallery_frames": 1, "plot.dpi": 40, "execution.workers": 1}
    set_params(tmp_path / "params.yaml", changes)
    monkeypatch.chdir(tmp_path)
    evaluate.main()
    (tmp_path / "plots/training.csv").write_text(TRAINING)
    plot.main()
    first = pictures(tmp_path)
    drives = {"braking.png", *(f"drive_{number:02}.png" for number in (1, 2, 3))}
    assert {name.removeprefix("figures/") for name in first if name.startswith("figures/")} == FIGURES | drives
    plot.main()
    assert pictures(tmp_path) == first
    for table in ("drives.csv", "braking.csv"):
        (tmp_path / "plots" / table).rename(tmp_path / table)
        with pytest.raises(DataError, match=rf"plots/{table}: cannot be read .*run `dvc repro`"):
            plot.main()
        (tmp_path / table).rename(tmp_path / "plots" / table)
    assert pictures(tmp_path) == first
