import re
from dataclasses import replace

import numpy as np
import pytest

from lib.common.errors import DataError
from lib.shards.predictions import PREDICTIONS_KIND, Predictions, read_predictions, to_float16, write_predictions


def predictions(seed=0, frames=3):
    generator = np.random.default_rng(seed)
    return Predictions(
        scenario="Scenario_a",
        shard_fingerprint="shard",
        model_fingerprint="model",
        frame_id=np.arange(frames),
        num_points=np.full(frames, 50, dtype=np.int32),
        point_score=generator.normal(0, 30, (frames, 64)).astype(np.float16),
        pixel_score=generator.normal(0, 30, (frames, 8, 12)).astype(np.float16),
        frame_score=generator.normal(0, 30, frames).astype(np.float16),
    )


def test_scores_are_kept_raw_and_to_the_bit(tmp_path):
    made = predictions()
    write_predictions(tmp_path / "p.h5", made)
    found = read_predictions(tmp_path / "p.h5")
    for name in ("scenario", "shard_fingerprint", "model_fingerprint"):
        assert getattr(found, name) == getattr(made, name)
    for name in ("frame_id", "num_points", "point_score", "pixel_score", "frame_score"):
        assert np.array_equal(getattr(found, name), getattr(made, name)), name
        assert getattr(found, name).dtype == getattr(made, name).dtype


def test_equal_scores_make_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_predictions(tmp_path / name / "p.h5", predictions())
    assert (tmp_path / "a" / "p.h5").read_bytes() == (tmp_path / "b" / "p.h5").read_bytes()


def test_rows_must_agree_and_nothing_is_left_behind(tmp_path):
    made = predictions()
    object.__setattr__(made, "frame_score", made.frame_score[:2])
    with pytest.raises(AssertionError):
        write_predictions(tmp_path / "p.h5", made)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [0, 100, -200])
def test_damaged_predictions_are_refused(tmp_path, cut):
    path = tmp_path / "p.h5"
    write_predictions(path, predictions())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=re.escape("run `dvc repro predict`")) as caught:
        read_predictions(path)
    assert str(caught.value).startswith(f"{path}: damaged or truncated")


def test_missing_predictions_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"p\.h5: there is no such prediction file; run `dvc repro predict`"):
        read_predictions(tmp_path / "p.h5")


def test_scores_beyond_float16_stay_finite_and_ordered_and_what_is_not_finite_is_not_hidden():
    scores = np.array([-np.inf, -1e30, -65520, -0.1, 0, 70000, np.inf, np.nan], dtype=np.float32)
    expected = np.array([-np.inf, -65504, -65504, -0.1, 0, 65504, np.inf, np.nan], dtype=np.float16)
    np.testing.assert_array_equal(to_float16(scores), expected)


def test_predictions_of_another_version_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("lib.shards.predictions.PREDICTIONS_KIND", replace(PREDICTIONS_KIND, version=2))
    write_predictions(tmp_path / "p.h5", predictions())
    monkeypatch.undo()
    with pytest.raises(DataError, match=r"schema 2, this .* reads 3; run `dvc repro predict`"):
        read_predictions(tmp_path / "p.h5")
