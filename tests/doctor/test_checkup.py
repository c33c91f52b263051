"""The check of a good sample and of damaged ones."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.anovox.format import layout
from lib.doctor.checkup import check_up, document, page
from lib.doctor.diagnoses import Severity
from lib.doctor.estimate import PlannedParams
from lib.doctor.survey import evenly_spread, survey
from lib.preprocessing.conversion import convert_data_set
from lib.simulator.sample import write_sample
from tests.all_params import all_params

ROOT = Path(__file__).resolve().parents[2]
PARAMS = all_params()
SAMPLE = {
    "normality_scenarios": 5,
    "anomaly_scenarios": 2,
    "frames_per_scenario": 2,
    "image_height": 64,
    "image_width": 96,
    "lidar_channels": 24,
    "lidar_rays_per_channel": 256,
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    root = tmp_path_factory.mktemp("sample")
    write_sample(root, PARAMS.simulate.model_copy(update=SAMPLE), workers=1)
    return root


@pytest.fixture
def copy(sample, tmp_path):
    return Path(shutil.copytree(sample, tmp_path / "copy"))


def checked(root, frames=0, preprocess=PARAMS.preprocess, split=PARAMS.split):
    model = PARAMS.model.model_copy(update={"image_channels": 4, "lidar_channels": 4, "fusion_channels": 8})
    execution = PARAMS.execution.model_copy(update={"workers": 1, "device": "cpu"})
    changes = {"preprocess": preprocess, "split": split, "model": model, "execution": execution}
    return check_up(root, PlannedParams(**dict(PARAMS) | changes), frames)


def found(checkup):
    return {diagnosis.name: diagnosis for diagnosis in checkup.diagnoses}


def scenarios(root):
    return sorted(path for path in root.iterdir() if layout.is_scenario_name(path.name))


def test_a_good_sample_passes_with_the_figures_of_preprocess(sample, tmp_path):
    checkup = checked(sample)
    assert checkup.trainable and checkup.diagnoses == ()
    converted = convert_data_set(sample, tmp_path, PARAMS.preprocess, 1)
    assert checkup.metrics == converted.metrics
    shards = sum(path.stat().st_size for path in tmp_path.glob("*.h5"))
    assert checkup.estimate.shards_bytes == pytest.approx(shards, rel=0.1)
    assert (checkup.estimate.train_frames, checkup.estimate.validation_frames) == (6, 2)
    assert checkup.estimate.train_hours > 0 and checkup.estimate.preprocess_hours > 0
    assert checkup.estimate.train_memory_bytes > 1e6 and not checkup.estimate.memory_measured
    text = page(checkup)
    assert text.splitlines()[-1] == "These data can be trained on: 6 frames to train, 2 to validate, 6 to test."
    assert "7 (5 normality, 2 static, 0 dynamic, 0 unlabelled); 0 left out" in text
    assert max(map(len, text.splitlines())) <= 110 + len(str(sample))


def test_some_frames_tell_about_all(sample):
    checkup = checked(sample, frames=1)
    assert document(checkup)["frames"] == {"total": 14, "usable": 14, "skipped": 0, "read": 7}
    assert checkup.estimate.train_frames == 6


def test_mirrored_clouds_are_an_error(copy):
    for path in [*copy.rglob("LIDAR*/*.npy"), *copy.rglob("SEMANTIC-LIDAR*/*.npy")]:
        cloud = np.load(path)
        cloud[:, 1] *= -1
        np.save(path, cloud)
    checkup = checked(copy, frames=1)
    assert not checkup.trainable and checkup.estimate is None
    diagnosis = found(checkup)["mirrored_clouds"]
    assert diagnosis.severity is Severity.ERROR and "negate y" in diagnosis.remedy
    assert checkup.metrics["labels"]["class_agreement_off_outlines"] < 0.9
    assert page(checkup).splitlines()[-1].startswith("These data cannot be trained on")


def test_labels_of_other_frames_are_seen(copy):
    """Camera labels of one scenario under the clouds of another."""
    first, second = (next(path.glob("SEMANTIC-CAM*")) for path in scenarios(copy)[:2])
    for target, source in zip(sorted(first.iterdir()), sorted(second.iterdir()), strict=True):
        shutil.copy(source, target)
    diagnosis = found(checked(copy))["wrong_classes"]
    assert f"in {scenarios(copy)[0].name}, LiDAR and camera disagree" in diagnosis.what


def test_damage_is_named_and_the_rest_goes_on(copy):
    first, second, third, *_ = (path for path in scenarios(copy) if not (path / layout.ANOMALY).is_dir())
    (first / layout.SENSOR_SETUP).unlink()
    next(second.glob("RGB-CAM*/*")).write_bytes(b"")
    path = next(third.glob("SEMANTIC-LIDAR*/*"))
    cloud = np.load(path)
    cloud[: len(cloud) // 2, 3] = 77
    np.save(path, cloud)
    checkup = checked(copy)
    names = found(checkup)
    assumed = {"assumed_sensor_setup", "other_lidar_channels"}
    assert names.keys() == assumed | {"empty_file", "undefined_class_ids", "unlabelled_points"}
    assert all(diagnosis.remedy and diagnosis.severity is Severity.WARNING for diagnosis in checkup.diagnoses)
    assert str(first) in names["assumed_sensor_setup"].what and str(first) in names["other_lidar_channels"].what
    assert names["empty_file"].what.startswith("1 frame of 1 scenario cannot be used; first ")
    assert names["undefined_class_ids"].what.endswith(": 77 (SEMANTIC-LIDAR)")
    assert third.name in names["unlabelled_points"].what
    assert document(checkup)["frames"] == {"total": 14, "usable": 13, "skipped": 1, "read": 13}


def test_without_normality_the_split_says_what_to_do(copy):
    for path in scenarios(copy):
        if not (path / layout.ANOMALY).is_dir():
            shutil.rmtree(path)
    diagnosis = found(checked(copy))["nothing_to_train_on"]
    assert "hold no normality scenario" in diagnosis.what and "split.train_on=anomaly_free" in diagnosis.remedy
    assert not checked(copy).trainable


def test_without_anomalies_there_is_nothing_to_find(copy):
    for path in scenarios(copy):
        if (path / layout.ANOMALY).is_dir():
            shutil.rmtree(path)
    checkup = checked(copy)
    assert checkup.trainable and found(checkup).keys() == {"no_anomaly"}


def test_a_split_without_validation_is_an_error(sample):
    split = PARAMS.split.model_copy(update={"validation_fraction": 0.0})
    assert found(checked(sample, split=split))["nothing_to_validate_on"].severity is Severity.ERROR


def test_a_step_that_the_device_cannot_hold_is_an_error(sample, monkeypatch):
    """A device that runs out of memory cannot be had here, so the step fails as one would."""

    def out_of_memory(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("lib.doctor.footprint.training_step", out_of_memory)
    checkup = checked(sample, frames=1)
    diagnosis = found(checkup)["too_large_to_train"]
    assert not checkup.trainable and checkup.estimate is None
    assert f"train.micro_batch={PARAMS.train.micro_batch} does not fit" in diagnosis.what
    assert diagnosis.remedy == "lower train.micro_batch" and page(checkup)


def test_images_of_several_sizes_need_a_size(copy):
    other = write_sample(
        _made(copy / "other"), PARAMS.simulate.model_copy(update={**SAMPLE, "image_width": 80, "seed": 2}), workers=1
    )
    assert len(other) == 7
    diagnosis = found(checked(copy, frames=1))["several_image_sizes"]
    assert "64 x 80, 64 x 96" in diagnosis.what
    preprocess = PARAMS.preprocess.model_copy(update={"image_height": 32, "image_width": 48})
    assert checked(copy, frames=1, preprocess=preprocess).trainable


def _made(path):
    path.mkdir()
    return path


def test_a_folder_without_any_usable_frame_is_told_in_full(copy):
    for path in copy.rglob("LIDAR*/*.npy"):
        path.unlink()
    checkup = checked(copy)
    assert found(checkup)["nothing_usable"].severity is Severity.ERROR
    assert found(checkup)["no_usable_frame"].what.count("LIDAR")
    assert page(checkup) and document(checkup)["frames"]["usable"] == 0


def test_any_number_of_workers_finds_the_same(sample):
    one, two = (survey(sample, "forward", 1, workers).metrics() for workers in (1, 2))
    assert one == two


@given(st.integers(1, 300), st.integers(0, 40))
def test_chosen_frames_are_spread_from_the_first_to_the_last(frames, number):
    ids = tuple(range(1000, 1000 + frames))
    chosen = evenly_spread(ids, number)
    assert len(set(chosen)) == len(chosen) == (min(number, frames) or frames)
    assert list(chosen) == sorted(chosen)
    if len(chosen) > 2:
        gaps = np.diff(chosen)
        assert chosen[0] == 1000 and chosen[-1] == ids[-1] and (gaps == 1).sum() >= len(chosen) // 2
        between_pairs = gaps[1 : 2 * (len(chosen) // 2) - 1 : 2]
        assert len(between_pairs) < 2 or not 0 < number < frames or np.ptp(between_pairs) <= 1
