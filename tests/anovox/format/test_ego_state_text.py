"""ACTION lines beside those that AnoVox's own code wrote."""

import json
import re

import numpy as np
import pytest

from lib.anovox.format import files
from lib.anovox.format.ego_state import EgoState, action_values, carla_number, carla_tuple
from tests.anovox_sample import WRITTEN

NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")
OWN = {"vehicle_id", "throttle", "steer", "gear"}
"""What our ego chooses for itself."""


def golden_actions():
    for truth_file in sorted(WRITTEN.glob("*/truth.json")):
        for scenario, truth in json.loads(truth_file.read_text())["scenarios"].items():
            for frame_id, frame in truth["frames"].items():
                path = truth_file.parent / "data" / scenario / "ACTION" / f"ACTION_{frame_id}.csv"
                yield pytest.param(path, frame, id=f"{truth_file.parent.name}-{frame_id}-{scenario[9:13]}")


def form(text):
    """The text with its numbers replaced by `i` or `f`: brackets, commas, spaces and number types are left."""
    return NUMBER.sub(lambda match: "f" if match.group(1) or match.group(2) else "i", text)


def ours(path, frame):
    [*_, camera], [*_, lidar] = (list(frame[kind].values()) for kind in ("cameras", "lidars"))
    sensors = (np.array(sensor["vehicle_SE3_sensor"]) for sensor in (camera, lidar))
    ego = EgoState(np.array(frame["world_SE3_ego"]), frame["speed_mps"])
    return action_values(int(path.stem.split("_")[1]), path.parts[-3].removeprefix("Scenario_"), ego, *sensors)


@pytest.mark.parametrize(("path", "frame"), list(golden_actions()))
def test_action_has_anovoxs_lines(path, frame):
    written, golden = ours(path, frame), files.read_key_values(path)
    assert list(written) == list(golden) and len(golden) == 28
    for key, text in golden.items():
        assert form(written[key]) == form(text), key
        if "matrix" in key:  # truth.json is rounded to a millionth, and 200 m lie between the vehicle and the origin
            np.testing.assert_allclose(json.loads(written[key]), json.loads(text), atol=1e-3, err_msg=key)
        elif key == "speed":
            assert float(written[key]) == pytest.approx(float(text), rel=1e-6)
        elif key not in OWN:
            assert written[key] == text, key


def test_numbers_are_those_of_float32():
    path, frame = next(iter(golden_actions())).values
    for values in (ours(path, frame), files.read_key_values(path)):
        for key in ("throttle", *(key for key in values if "matrix" in key)):
            numbers = np.array(json.loads(values[key]), dtype=np.float64)
            assert np.array_equal(numbers, numbers.astype(np.float32)) and numbers.any(), key
    assert carla_tuple((0.1, -0.0, 2)) == "(0.10000000149011612, 0.0, 2.0)" and str(carla_number(-0.0)) == "0.0"


def test_an_ego_that_stands_gives_no_gas():
    values = action_values(1, "x", EgoState(np.eye(4), 0.0), np.eye(4), np.eye(4))
    assert (values["speed"], values["throttle"]) == ("0.0", "0.0")
