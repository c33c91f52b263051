"""ROUTE_MAP beside the pictures that AnoVox's own code drew, and its geometry."""

import json

import numpy as np
import pytest
from PIL import Image

from lib.anovox.format.route_map import draw_route_map
from lib.geometry.rigid import yaw_transform
from tests.anovox_sample import WRITTEN

STRAIGHT = np.column_stack([np.arange(110.0), np.zeros(110)])


def golden_maps():
    """Each picture, with the waypoints and the ego's pose that AnoVox drew it from."""
    for truth_file in sorted(WRITTEN.glob("*/truth.json")):
        data = truth_file.parent / "data"
        routes = {}
        for path in data.glob("Scenario_Configuration_Files/*"):
            for entry in json.loads(path.read_text())["scenario_definition"]["scenarios"]:
                places = [(place["x"], -place["y"]) for place in entry["ego_route"]["locations"]]
                routes[f"Scenario_{entry['id']}"] = np.array(places)
        for scenario, truth in json.loads(truth_file.read_text())["scenarios"].items():
            for frame_id, frame in truth["frames"].items():
                path = data / scenario / "ROUTE_MAP" / f"ROUTE_MAP_{frame_id}.png"
                name = f"{truth_file.parent.name}-{frame_id}-{scenario[9:13]}"
                yield pytest.param(path, routes[scenario], np.array(frame["world_SE3_ego"]), id=name)


@pytest.mark.parametrize(("path", "route_xy_m", "pose"), list(golden_maps()))
def test_the_route_is_where_anovox_draws_it(path, route_xy_m, pose):
    """Pixels differ on the outline alone, where two ways of drawing thick lines round differently."""
    with Image.open(path) as image:
        golden = np.asarray(image)
    ours = draw_route_map(route_xy_m, pose)
    assert ours.shape == golden.shape == (192, 192) and ours.dtype == golden.dtype
    assert set(np.unique(ours)) == set(np.unique(golden)) == {0, 255}
    inside = np.all([np.roll(golden, shift, axis) for axis in (0, 1) for shift in (-1, 0, 1)], axis=0)
    around = np.any([np.roll(golden, shift, axis) for axis in (0, 1) for shift in (-1, 0, 1)], axis=0)
    outline = around & ~inside
    assert (ours != golden)[~outline].sum() == 0
    assert (ours != golden).sum() < 0.025 * (golden > 0).sum()


def test_a_straight_road_is_a_band_above_the_ego():
    drawn = draw_route_map(STRAIGHT, yaw_transform(0.0, (20.0, 0.0, 0.0)))
    assert (drawn == drawn[0]).all()
    assert np.flatnonzero(drawn[0]).tolist() == list(range(96 - 8, 96 + 8 + 1))


def test_the_route_begins_at_its_first_waypoint():
    """Nothing lies behind a start on the way: 40 pixels above the bottom, less than half the line's width."""
    drawn = draw_route_map(STRAIGHT, yaw_transform(0.0))
    assert np.flatnonzero(drawn.any(axis=1)).tolist() == list(range(192 - 40 - 1 + 8 + 1))


def test_left_is_left_and_ahead_is_up_whichever_way_the_ego_heads():
    turn = np.column_stack([np.r_[np.arange(10.0), np.full(10, 10.0)], np.r_[np.zeros(10), np.arange(10.0)]])
    drawn = [draw_route_map(turn, yaw_transform(0.0))]
    for yaw_rad in (1.0, -2.0):
        cosine, sine = np.cos(yaw_rad), np.sin(yaw_rad)
        turned = turn @ [[cosine, sine], [-sine, cosine]] + [300.0, -200.0]
        drawn.append(draw_route_map(turned, yaw_transform(yaw_rad, (300.0, -200.0, 1.0))))
    for picture in drawn:
        # 10 m ahead and 6 m to the left: 50 pixels above the ego's row and 30 pixels left of its column
        assert picture[151 - 50, 96 - 30] == 255 and picture[151 - 50, 96 + 30] == 0 and picture[151 - 70, 96 - 30] == 0
        assert (picture != drawn[0]).mean() < 0.005


def test_a_route_out_of_sight_is_black():
    assert not draw_route_map(STRAIGHT, yaw_transform(0.0, (0.0, 500.0, 0.0))).any()
