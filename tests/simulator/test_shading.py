import numpy as np
import pytest

from lib.common.labels import CAR, STATIC
from lib.geometry.rigid import yaw_transform
from lib.simulator.raycast import Hits
from lib.simulator.scene import Material, Scene, Texture
from lib.simulator.shading import CAMOUFLAGE_SHADING, View, camouflaged_light, image_light
from lib.simulator.sky import Light, sky_light
from lib.simulator.textures import ValueNoise
from lib.simulator.world import SceneWorlds
from tests.simulator.small_scene import ANOMALY, ASPHALT, GREY, NIGHT, RED, box, small_scene, weather

NOISE = ValueNoise(5)
EYE_M = (0.0, 0.0, 1.8)
WHITE = Material(Texture.PLAIN, (0.9, 0.9, 0.9))


def looking_at(*targets_m: tuple) -> View:
    origin = np.array(EYE_M, dtype=np.float32)[:, None]
    return View(origin, np.array(targets_m, dtype=np.float32).T - origin, 0.005, yaw_transform(0.0))


def light_at(scene: Scene, *targets_m: tuple) -> np.ndarray:
    """Light (3, N) from the eye towards the targets."""
    view, world = looking_at(*targets_m), SceneWorlds(scene).at(0.0)
    return image_light(world, view, world.cast_opaque(view.origin_m, view.directions), NOISE)


def luminance(scene: Scene, *targets_m: tuple) -> np.ndarray:
    return np.asarray(light_at(scene, *targets_m).mean(axis=0))


def around(x: float, y: float, radius_m: float = 0.25) -> list[tuple]:
    """Places on the ground, so that the ground's grain averages out."""
    offsets = np.linspace(-radius_m, radius_m, 7).tolist()
    return [(x + dx, y + dy, 0.0) for dx in offsets for dy in offsets]


def test_sun_and_shadow():
    """The sun stands to the left (+y) at 53 degrees: a wall 2 m high darkens what lies to its right."""
    wall = box((5, 0.9, 0), (9, 1.1, 2), GREY, STATIC)
    shaded, sunny = around(7, 0.3), around(7, -2.5)
    assert luminance(small_scene(wall), *shaded).mean() < 0.6 * luminance(small_scene(), *shaded).mean()
    np.testing.assert_array_equal(luminance(small_scene(wall), *sunny), luminance(small_scene(), *sunny))


def test_camouflaged_parts_cast_no_shadow_and_are_not_seen():
    hidden = Material(Texture.PLAIN, (0.9, 0.1, 0.9), camouflage=True)
    wall = box((5, 0.9, 0), (9, 1.1, 2), hidden, ANOMALY)
    places = around(7, 0.3) + around(7, 1.0) + [(7, 1.0, 1.0)]
    np.testing.assert_array_equal(light_at(small_scene(wall), *places), light_at(small_scene(), *places))


def test_under_a_car_it_is_dark_even_without_sun():
    grey_sky = weather(sun_color=(0.0, 0.0, 0.0))
    places = around(7, 0.0)
    table = box((6, -1, 0.3), (8, 1, 0.5), GREY, CAR)
    eye = np.array([[2.0], [0.0], [0.2]], dtype=np.float32)
    view = View(eye, np.array(places, dtype=np.float32).T - eye, 0.005, np.eye(4))
    lights = []
    for scene in (small_scene(weather=grey_sky), small_scene(table, weather=grey_sky)):
        world = SceneWorlds(scene).at(0.0)
        lights.append(image_light(world, view, world.cast_opaque(view.origin_m, view.directions), NOISE).mean())
    assert lights[1] < 0.6 * lights[0]


def test_fog_hides_what_is_far():
    wall = box((60, -20, 0), (61, 20, 20), WHITE, STATIC)
    target = (60.0, 0.0, 5.0)
    for density in (0.005, 0.02, 0.1):
        scene = small_scene(wall, weather=weather(fog_density=density))
        bare = small_scene(wall)
        horizon = Light.of(scene.weather).horizon
        share = np.exp(-density * np.linalg.norm(np.subtract(target, EYE_M)))
        expected = horizon + share * (light_at(bare, target) - horizon)
        np.testing.assert_allclose(light_at(scene, target), expected, rtol=1e-3)


def test_headlights_at_night():
    scene = small_scene(weather=weather(**NIGHT))
    ahead, far, aside = (luminance(scene, *around(*place)).mean() for place in ((8, 0), (45, 0), (3, -8)))
    assert ahead > 3 * far and ahead > 3 * aside


def test_street_lamps_light_the_road_below_them_at_night():
    lamp = Material(Texture.PLAIN, (1.0, 0.9, 0.6), emissive=1.0)
    lit = small_scene(box((29.8, -4, 6), (30.2, -3, 6.1), lamp, STATIC), weather=weather(**NIGHT))
    below, elsewhere = around(30, -3.5), around(60, -3.5)
    dark = small_scene(weather=weather(**NIGHT))
    assert luminance(lit, *below).mean() > 2 * luminance(dark, *below).mean()
    np.testing.assert_allclose(luminance(lit, *elsewhere), luminance(dark, *elsewhere), rtol=1e-5)
    assert luminance(lit, (29.8, -3.5, 6.05))[0] > 10 * luminance(dark, *below).mean()


def test_wet_roads_mirror():
    """A white wall stands 40 m ahead: on the wet road it shines, on the dry one not."""
    wall = box((40, -10, 0), (41, 10, 20), WHITE, STATIC)
    places = [(x, y, 0.0) for x in np.linspace(28, 36, 9) for y in np.linspace(-2, 2, 9)]
    bright = {"sun_direction": (-0.6, 0.0, 0.8)}
    wet, dry = (small_scene(wall, weather=weather(wetness=w, **bright)) for w in (1.0, 0.0))
    assert luminance(wet, *places).mean() > 1.5 * luminance(dry, *places).mean()


def test_textures_ride_with_their_actors():
    """The same place on a striped car looks the same wherever the car has driven."""
    stripes = Material(Texture.STRIPES, (0.9, 0.1, 0.1), (0.1, 0.1, 0.9), scale_m=0.4)
    base = small_scene(weather=weather(sun_color=(0.0, 0.0, 0.0)))
    actor = base.actors[0]
    car = type(actor)((box((-2, -0.9, 0.2), (2, 0.9, 1.5), stripes, CAR),), (12.0, -4.0), 0.4, 5.0)
    scene = small_scene(weather=base.weather, actors=(car,))
    points = np.array([np.linspace(-1.8, 1.8, 40), np.full(40, 0.9), np.full(40, 1.0)], dtype=np.float32)
    seen = []
    for time_s in (0.0, 1.37):
        world = SceneWorlds(scene).at(time_s)
        pose = yaw_transform(0.4, (12 + 5 * time_s * np.cos(0.4), -4 + 5 * time_s * np.sin(0.4), 0.0))
        placed = pose[:3, :3].astype(np.float32) @ points + pose[:3, 3, None].astype(np.float32)
        out = np.array([[-np.sin(0.4)], [np.cos(0.4)], [0.0]], dtype=np.float32)
        view = View(placed + 2 * out, np.repeat(-out, 40, axis=1), 0.005, np.eye(4))
        hits = world.cast_opaque(view.origin_m, view.directions)
        np.testing.assert_allclose(hits.distance, 2, rtol=1e-4)
        position = Hits(hits.distance, hits.part, hits.normal)
        seen.append(np.stack([light_from(world, view, position, i) for i in range(40)], axis=1))
    assert np.ptp(seen[0], axis=1).max() > 0.1
    np.testing.assert_allclose(seen[0], seen[1], atol=0.02)


def light_from(world, view: View, hits: Hits, index: int) -> np.ndarray:
    """Light along one of several rays that start at different places."""
    ray = slice(index, index + 1)
    one = View(view.origin_m[:, ray], view.directions[:, ray], view.pixel_angle_rad, view.world_SE3_ego)
    return image_light(world, one, hits.of(ray), NOISE)[:, 0]


def test_camouflage_shades_a_little_and_never_brightens():
    rng = np.random.default_rng(0)
    behind = rng.uniform(0, 2, (3, 500)).astype(np.float32)
    normal, forward = (v / np.linalg.norm(v, axis=0) for v in rng.normal(size=(2, 3, 500)).astype(np.float32))
    light = camouflaged_light(behind, normal, forward, np.array([0, 0.6, 0.8], dtype=np.float32))
    assert (light <= behind * 1.0001).all()
    assert (light >= behind * (1 - CAMOUFLAGE_SHADING) * 0.9999).all()
    assert (light / behind).std() > 0.01


@pytest.mark.parametrize("changes", [{}, NIGHT, {"fog_density": 0.05}, {"wetness": 1.0, "preset": "HARD_RAIN_NOON"}])
def test_sky_is_light_everywhere_and_the_horizon_at_the_horizon(changes):
    light = Light.of(weather(**changes))
    ways = np.random.default_rng(0).normal(size=(3, 2000)).astype(np.float32)
    ways /= np.linalg.norm(ways, axis=0)
    color = sky_light(light, ways, NOISE)
    assert np.isfinite(color).all() and (color >= 0).all()
    level = ways[:, np.abs(ways[2]) < 0.002]
    away = level[:, level.T @ light.sun_direction[:, 0] < 0.3]
    np.testing.assert_allclose(sky_light(light, away, NOISE) / light.horizon, 1, atol=0.3)


def test_more_rays_than_fit_at_once_give_the_same_light():
    scene = small_scene(box((5, -3, 0), (6, -2, 1), RED, STATIC), box((5, 1, 0), (6, 2, 1), ASPHALT, STATIC))
    targets = [(20.0, y, z) for y in np.linspace(-15, 15, 200) for z in np.linspace(-4, 9, 200)]
    whole = light_at(scene, *targets)
    np.testing.assert_allclose(whole[:, 30000:30100], light_at(scene, *targets[30000:30100]), rtol=1e-5, atol=1e-6)
