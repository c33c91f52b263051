import pytest
import torch
from safetensors.torch import save_file

from lib.common.errors import DataError
from lib.geometry.frame import ScenarioType
from lib.model.detector import DetectorConfig, build_detector
from lib.model.model_file import check_unseen, load_detector, save_detector, scenarios_seen
from lib.model.weights_file import TrainedOn, model_fingerprint, read_model
from lib.sensors.sensor_statistics import measure
from tests.scored_sample import ball_frame

CONFIG = DetectorConfig("concat", 4, 4, 8, 16, 64, 15.0, -25.0)
SENSORS = measure([ball_frame("Scenario_a", 1, ScenarioType.NORMALITY, None, None)])
TRAINED_ON = TrainedOn(("Scenario_a", "Scenario_b"), "0123", SENSORS, "2.13.0")


def test_the_file_alone_gives_the_detector_back(tmp_path):
    torch.manual_seed(1)
    detector = build_detector(CONFIG)
    save_detector(tmp_path / "models" / "detector.safetensors", detector)
    again = load_detector(tmp_path / "models" / "detector.safetensors")
    assert again.config == CONFIG
    for name, value in detector.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["detector.safetensors"]


def test_the_same_detector_gives_the_same_bytes(tmp_path):
    torch.manual_seed(1)
    detector = build_detector(CONFIG)
    save_detector(tmp_path / "a.safetensors", detector)
    save_detector(tmp_path / "b.safetensors", detector)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert model_fingerprint(tmp_path / "a.safetensors") == model_fingerprint(tmp_path / "b.safetensors")
    with torch.no_grad():
        next(detector.parameters()).add_(1)
    save_detector(tmp_path / "b.safetensors", detector)
    assert model_fingerprint(tmp_path / "a.safetensors") != model_fingerprint(tmp_path / "b.safetensors")


def test_missing_damaged_and_foreign_files_are_named(tmp_path):
    path = tmp_path / "detector.safetensors"
    with pytest.raises(DataError, match=r"there is no model file; run `dvc repro export`"):
        load_detector(path)
    save_detector(path, build_detector(CONFIG))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="not a detector written by this pipeline"):
        load_detector(path)
    save_detector(path, build_detector(CONFIG))
    flipped = bytearray(path.read_bytes())
    flipped[-9] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(DataError, match=r"damaged \(the content does not match its checksum\); run `dvc repro export`"):
        load_detector(path)
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(DataError, match="not a detector written by this pipeline"):
        load_detector(path)


def test_a_model_knows_what_it_has_seen_and_is_not_tested_on_it(tmp_path):
    path = tmp_path / "detector.safetensors"
    save_detector(path, build_detector(CONFIG), TRAINED_ON)
    assert read_model(path).trained_on == TRAINED_ON
    assert scenarios_seen(path) == {"Scenario_a", "Scenario_b"}
    check_unseen(path, ["Scenario_c"])
    with pytest.raises(DataError, match=r"was trained on Scenario_a and 1 more, which the split now uses"):
        check_unseen(path, ["Scenario_c", "Scenario_b", "Scenario_a"])


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    path, detector = tmp_path / "detector.safetensors", build_detector(CONFIG)
    with torch.no_grad():
        next(detector.parameters()).view(-1)[0] = float("nan")
    save_detector(path, detector)
    with pytest.raises(DataError, match="holds weights that are NaN or infinite"):
        load_detector(path)
