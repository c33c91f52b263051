from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lib.anovox.format.colors import anomaly_id_of
from lib.common.labels import (
    ANOMALY_SIZES,
    BICYCLE,
    BUILDING,
    BUS,
    CAR,
    DYNAMIC,
    FENCE,
    GUARD_RAIL,
    MOTORCYCLE,
    PEDESTRIAN,
    POLE,
    RIDER,
    ROAD,
    ROAD_LINE,
    SIDEWALK,
    STATIC,
    TERRAIN,
    TRAFFIC_LIGHT,
    TRAFFIC_SIGN,
    TRUCK,
    VEGETATION,
    WALL,
    is_anomaly,
)
from lib.geometry.frame import ScenarioType
from lib.simulator.scenario_plan import AnomalyPlan, ScenarioPlan, plan_scenarios
from lib.simulator.scene import Actor, Part, Scene, without_anomaly
from lib.simulator.scene_builder import build_scene
from lib.simulator.simulate_params import SimulateParams
from tests.all_params import all_params
from tests.present import present

EYE_M = 1.8


@cache
def params() -> SimulateParams:
    whole = all_params().simulate
    return whole.model_copy(update={"normality_scenarios": 40, "anomaly_scenarios": 40, "seed": 11})


@cache
def scenes() -> tuple[tuple[ScenarioPlan, Scene], ...]:
    return tuple((plan, build_scene(plan, params())) for plan in plan_scenarios(params()))


def all_parts(scene: Scene) -> list[Part]:
    return [*scene.static_parts, *(part for actor in scene.actors for part in actor.parts)]


def is_anomalous(part: Part) -> bool:
    return bool(is_anomaly(np.array([part.class_id], dtype=np.uint8))[0])


def world(actor: Actor, part: Part, time_s: float) -> np.ndarray:
    cosine, sine = np.cos(actor.yaw_rad), np.sin(actor.yaw_rad)
    x, y, z = part.vertices_m.T
    way = actor.speed_mps * time_s
    return np.stack(
        [
            actor.start_xy_m[0] + cosine * (x + way) - sine * y,
            actor.start_xy_m[1] + sine * (x + way) + cosine * y,
            z,
        ],
        axis=1,
    )


def in_ego_frame(scene: Scene, points: np.ndarray, time_s: float) -> np.ndarray:
    cosine, sine = np.cos(scene.ego_yaw_rad), np.sin(scene.ego_yaw_rad)
    way = scene.ego_speed_mps * time_s
    x = points[:, 0] - scene.ego_start_xy_m[0] - way * cosine
    y = points[:, 1] - scene.ego_start_xy_m[1] - way * sine
    return np.stack([cosine * x + sine * y, cosine * y - sine * x, points[:, 2]], axis=1)


def times() -> list[float]:
    return [i * params().seconds_between_frames for i in range(params().frames_per_scenario)]


def same_part(first: Part, second: Part) -> bool:
    return (
        first.material == second.material
        and (first.class_id, first.instance_id) == (second.class_id, second.instance_id)
        and np.array_equal(first.vertices_m, second.vertices_m)
        and np.array_equal(first.faces, second.faces)
    )


def test_meshes_are_valid_and_moderate():
    for _, scene in scenes():
        parts = all_parts(scene)
        for part in parts:
            assert part.vertices_m.dtype == np.float32 and part.vertices_m.shape[1] == 3
            assert part.faces.dtype == np.int32 and part.faces.shape[1] == 3
            assert np.isfinite(part.vertices_m).all() and np.abs(part.vertices_m).max() < 500
            assert part.faces.min() >= 0 and part.faces.max() < len(part.vertices_m)
        assert sum(len(part.faces) for part in parts) < 90_000 and len(parts) < 1000


def test_the_same_plan_gives_the_same_scene():
    for plan, scene in scenes()[:4]:
        again = build_scene(plan, params())
        assert all(map(same_part, all_parts(scene), all_parts(again)))
        assert scene.weather == again.weather and scene.texture_seed == again.texture_seed
        assert [actor.start_xy_m for actor in scene.actors] == [actor.start_xy_m for actor in again.actors]


def test_streets_hold_everything():
    seen = [{part.class_id for part in all_parts(scene)} for _, scene in scenes()]
    for always in (ROAD, SIDEWALK, TERRAIN, ROAD_LINE, CAR, BUILDING, VEGETATION):
        assert all(always in classes for classes in seen)
    for often in (POLE, TRAFFIC_SIGN, PEDESTRIAN, STATIC, DYNAMIC, RIDER, BICYCLE, MOTORCYCLE, TRUCK):
        assert sum(often in classes for classes in seen) > 30
    for rarer in (BUS, WALL, FENCE, GUARD_RAIL, TRAFFIC_LIGHT):
        assert sum(rarer in classes for classes in seen) > 8


def test_instances_tell_things_apart():
    for _, scene in scenes():
        classes: dict[int, set[int]] = {}
        for part in all_parts(scene):
            classes.setdefault(part.instance_id, set()).add(part.class_id)
            if part.class_id in (CAR, TRUCK, BUS, PEDESTRIAN, RIDER, STATIC, DYNAMIC) or is_anomalous(part):
                assert part.instance_id > 0
        rider = {RIDER, BICYCLE, MOTORCYCLE}
        assert all(len(kinds) == 1 or kinds < rider for instance, kinds in classes.items() if instance > 0)
        assert max(classes) < 65536


def test_normal_scenes_hold_no_anomaly_and_the_others_exactly_one():
    for plan, scene in scenes():
        anomalies = {part.instance_id: part.class_id for part in all_parts(scene) if is_anomalous(part)}
        if plan.type == ScenarioType.NORMALITY:
            assert not anomalies
            fields = (scene.anomaly_size, scene.anomaly_kind, scene.anomaly_blueprint, scene.anomaly_class_id)
            assert fields == (None,) * 4 and scene.anomaly_position_m is None
        else:
            assert list(anomalies.values()) == [scene.anomaly_class_id]
            planned, blueprint = present(plan.anomaly), present(scene.anomaly_blueprint)
            assert (scene.anomaly_size, scene.anomaly_kind) == (planned.size, planned.kind)
            assert blueprint.startswith(f"static.prop.o_{planned.family.replace('_', '')}_")
            assert anomaly_id_of(blueprint) == scene.anomaly_class_id


def anomaly_vertices(scene: Scene, time_s: float) -> np.ndarray:
    vertices = [world(actor, part, time_s) for actor in scene.actors for part in actor.parts if is_anomalous(part)]
    return in_ego_frame(scene, np.concatenate(vertices), time_s)


def test_anomalies_are_where_and_as_large_as_the_params_say():
    low, high = params().anomaly_distance_m
    sizes_m: dict[str, tuple[float, float]] = dict(params().anomaly_sizes_m.items())
    approached = []
    for plan, scene in scenes():
        if plan.anomaly is None:
            continue
        distances = []
        for time_s in times():
            vertices = anomaly_vertices(scene, time_s)
            middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
            distances.append(float(np.linalg.norm(middle - (0, 0, EYE_M))))
            u, v = 0.5 - 0.5 * middle[1] / middle[0], 0.5 - 0.5 * (middle[2] - EYE_M) / middle[0] * 1.5
            assert 0 < u < 1 and v < 1, "the camera's 90 degrees hold it"
        approached.append(distances[0] - distances[-1])
        assert np.mean([low <= distance <= high for distance in distances]) >= 0.75
        smallest, largest = sizes_m[plan.anomaly.size]
        spread = np.ptp(anomaly_vertices(scene, 0.0), axis=0)
        assert smallest * 0.7 < spread.max() < largest * 1.45
        position = np.array([scene.anomaly_position_m])
        driven = np.array([times()[-1] * scene.ego_speed_mps, 0, 0])
        np.testing.assert_allclose(in_ego_frame(scene, position, 0.0)[0], middle + driven, atol=1.5)
    assert min(approached) > 1


def test_nothing_stands_in_the_egos_way():
    for _, scene in scenes():
        for time_s in times():
            for actor in scene.actors:
                for part in actor.parts:
                    if np.hypot(*(np.array(actor.start_xy_m) - scene.ego_start_xy_m)) < 45:
                        assert not blocks(in_ego_frame(scene, world(actor, part, time_s), time_s))
            for part in scene.static_parts:
                assert not blocks(in_ego_frame(scene, part.vertices_m, time_s))


def blocks(vertices: np.ndarray) -> bool:
    """Something higher than litter and lower than a lamp within the ego's width, up to 3.4 m ahead."""
    x, y, z = vertices.T
    return bool(((np.abs(y) < 0.95) & (x > -2) & (x < 3.4) & (z > 0.12) & (z < 3.0)).any())


@pytest.mark.parametrize("index", [0, 5, 9])
def test_only_the_spots_content_differs_with_and_without_an_anomaly(index):
    plan = plan_scenarios(params())[index]
    normal = build_scene(replace(plan, type=ScenarioType.NORMALITY, anomaly=None), params())
    twins = []
    for size in ANOMALY_SIZES:
        anomaly = AnomalyPlan(size, "both", "tyre_stack")
        twin = build_scene(replace(plan, type=ScenarioType.STATIC, anomaly=anomaly), params())
        same = len(twin.static_parts) == len(normal.static_parts) and all(
            map(same_part, twin.static_parts, normal.static_parts)
        )
        twins += [twin] if same else []
    assert twins, "one of the five sizes is the one that the normal scene's spot was drawn for"
    twin = twins[0]
    assert (twin.weather, twin.ego_speed_mps, twin.texture_seed, twin.lidar_dropout) == (
        normal.weather, normal.ego_speed_mps, normal.texture_seed, normal.lidar_dropout,
    )  # fmt: skip
    elsewhere = [actor for actor in twin.actors if not is_anomalous(actor.parts[0])]
    assert len(elsewhere) == len(twin.actors) - 1
    assert len(normal.actors) - len(elsewhere) in (0, 1)
    for first, second in zip(elsewhere, normal.actors, strict=False):
        assert first.start_xy_m == second.start_xy_m and all(map(same_part, first.parts, second.parts))


def test_while_the_anomaly_is_absent_the_spot_is_as_in_a_normal_scene():
    filled = []
    for plan in [plan for plan in plan_scenarios(params()) if plan.absent]:
        scene, always = build_scene(plan, params()), build_scene(replace(plan, absent=range(0)), params())
        assert all(map(same_part, all_parts(scene), all_parts(always))) and not always.usual_actors
        usual = without_anomaly(scene)
        assert not any(map(is_anomalous, all_parts(usual)))
        assert usual.actors[: len(scene.actors) - 1] == scene.actors[:-1]
        assert [actor.start_xy_m for actor in scene.usual_actors] in ([], [scene.actors[-1].start_xy_m])
        filled.append(len(scene.usual_actors))
    assert len(filled) == 20 and 0.45 < np.mean(filled) < 1


def features(scene: Scene) -> dict[str, float]:
    """What a trivial detector could count, without the classes."""
    ahead = [part for part in scene.static_parts if part.instance_id and near(scene, part.vertices_m)]
    moving = [actor for actor in scene.actors if near(scene, world(actor, actor.parts[0], 0.0)) and not is_spot(actor)]
    heights = (
        np.concatenate([in_ego_frame(scene, part.vertices_m, 0.0) for part in ahead])
        if ahead
        else np.full((1, 3), 99.0)
    )
    return {
        "things ahead": len({part.instance_id for part in ahead}),
        "actors ahead": len(moving),
        "triangles": sum(len(part.faces) for part in scene.static_parts),
        "nearest thing": float(np.hypot(heights[:, 0], heights[:, 1]).min()),
        "speed": scene.ego_speed_mps,
        "dropout": scene.lidar_dropout,
        "sun": scene.weather.sun_color[0],
        "noise": scene.weather.camera_noise,
        "fog": scene.weather.fog_density,
        "wetness": scene.weather.wetness,
    }


def is_spot(actor: Actor) -> bool:
    return actor.speed_mps == 0.0


def near(scene: Scene, vertices: np.ndarray) -> bool:
    x, y, _ = in_ego_frame(scene, vertices, 0.0).T
    return bool(((x > 0) & (x < 25) & (np.abs(y) < x)).any())


def test_surroundings_do_not_tell_the_type():
    table = [features(scene) for _, scene in scenes()]
    has_anomaly = [plan.anomaly is not None for plan, _ in scenes()]
    for name in table[0]:
        auroc = roc_auc_score(has_anomaly, [row[name] for row in table])
        assert 0.34 < auroc < 0.66, name


def test_normal_spots_are_mostly_taken_too():
    """As many scenes with something on the spot as the docs say: counts of actors that stand still."""
    normal = [scene for plan, scene in scenes() if plan.anomaly is None]
    filled = np.mean([any(actor.speed_mps == 0.0 for actor in scene.actors) for scene in normal])
    assert 0.5 < filled <= 1.0


def test_other_params_still_give_scenes():
    tight = params().model_copy(update={"anomaly_distance_m": (8.0, 9.0), "camera_fov_deg": 40.0})
    single = params().model_copy(update={"frames_per_scenario": 1})
    many = params().model_copy(update={"frames_per_scenario": 30, "seconds_between_frames": 0.1})
    for changed in (tight, single, many):
        for plan in [plan for plan in plan_scenarios(changed) if plan.anomaly][:6]:
            scene = build_scene(plan, changed)
            middle = in_ego_frame(scene, np.array([scene.anomaly_position_m]), 0.0)[0]
            assert changed.anomaly_distance_m[0] <= np.hypot(*middle[:2]) <= changed.anomaly_distance_m[1] + 2.0
