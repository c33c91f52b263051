from dataclasses import replace

import numpy as np
import pytest

from lib.common.labels import CAR, POLE
from lib.simulator.raycast import NO_PART
from lib.simulator.scene import Actor, Material, Texture
from lib.simulator.world import SceneWorlds, world_SE3_actor, world_SE3_ego
from tests.simulator.small_scene import ANOMALY, GREY, NIGHT, RED, box, small_scene, weather

DOWN = np.array([[0], [0], [-1]], dtype=np.float32)
HIDDEN = Material(Texture.PLAIN, (0.9, 0.1, 0.9), camouflage=True)


def above(x: float, y: float) -> np.ndarray:
    return np.array([[x], [y], [50]], dtype=np.float32)


def test_actors_and_ego_drive_along_their_heading():
    actor = Actor((), (3.0, 4.0), np.pi / 6, 2.0)
    pose = world_SE3_actor(actor, 5.0)
    np.testing.assert_allclose(pose[:3, 3], [3 + 10 * np.cos(np.pi / 6), 4 + 5, 0])
    np.testing.assert_allclose(pose[:3, 0], [np.cos(np.pi / 6), 0.5, 0])
    ego = world_SE3_ego(small_scene(ego_start_xy_m=(3.0, 4.0), ego_yaw_rad=np.pi / 6, ego_speed_mps=2.0), 5.0)
    np.testing.assert_allclose(ego, pose)


@pytest.mark.parametrize("time_s", [0.0, 1.5])
def test_rays_meet_actors_where_they_are(time_s):
    world = SceneWorlds(small_scene()).at(time_s)
    x = 12.0 + 5.0 * time_s
    for offset, expected in ((0.0, CAR), (1.9, CAR), (2.1, None), (-2.1, None)):
        part = world.cast_opaque(above(x + offset, -4.0), DOWN).part[0]
        assert (world.table.class_id[part] == CAR) == (expected == CAR)
    instance = world.table.instance_id[world.cast_opaque(above(x, -4.0), DOWN).part[0]]
    assert instance == 7


def test_camouflaged_parts_are_apart():
    world = SceneWorlds(small_scene(box((5, 5, 0), (6, 6, 1), HIDDEN, ANOMALY))).at(0.0)
    place = above(5.5, 5.5)
    assert world.table.class_id[world.cast_camouflaged(place, DOWN).part[0]] == ANOMALY
    assert world.cast_opaque(place, DOWN).distance[0] == pytest.approx(50)
    low = np.array([[5.5], [5.5], [2]], dtype=np.float32)
    assert not world.shadowed(low, DOWN, reach=1.5)[0]
    assert SceneWorlds(small_scene()).at(0.0).cast_camouflaged(place, DOWN).part[0] == NO_PART


def test_a_scene_without_actors_or_anything():
    empty = replace(small_scene(), static_parts=(), actors=())
    world = SceneWorlds(empty).at(0.0)
    assert world.cast_opaque(above(0, 0), DOWN).part[0] == NO_PART
    assert not world.shadowed(above(0, 0), DOWN)[0]


def test_colours_become_linear_light():
    world = SceneWorlds(small_scene()).at(0.0)
    car = np.flatnonzero(world.table.class_id == CAR)[0]
    np.testing.assert_allclose(world.table.color[:, car], np.square(RED.color), rtol=1e-6)


def test_lamps_are_what_glows_high_up_at_night():
    glow = Material(Texture.PLAIN, (1.0, 0.9, 0.6), emissive=1.0)
    lamps = [box((x, -4, 6), (x + 0.4, -3, 6.1), glow, POLE) for x in (10.0, 40.0)]
    low = box((20, 0, 0.5), (20.2, 0.2, 0.7), glow, CAR)
    dull = box((30, -4, 6), (30.4, -3, 6.1), GREY, POLE)
    scene = small_scene(*lamps, low, dull, weather=weather(**NIGHT))
    found = sorted(round(lamp.position_m[0]) for lamp in SceneWorlds(scene).at(0.0).lamps)
    assert found == [10, 40]
    assert SceneWorlds(replace(scene, weather=weather())).at(0.0).lamps == ()
