"""Street furniture, poles, signs and traffic lights: origin on the ground, front towards x [m]."""

import numpy as np
from numpy.random import Generator

from lib.common.labels import DYNAMIC, POLE, STATIC, TRAFFIC_LIGHT, TRAFFIC_SIGN
from lib.simulator.assembly import Object, pieces
from lib.simulator.materials import (
    BLACK_PLASTIC,
    CHROME,
    DARK_STEEL,
    GLASS,
    LAMP_GLOW,
    LAMP_OFF,
    STEEL,
    advert,
    chance,
    cloth,
    darker,
    foliage,
    one_of,
    painted_metal,
    plain,
    timber,
    varied,
)
from lib.simulator.scene import Material, Texture
from lib.simulator.shapes import (
    block,
    box,
    cone,
    cylinder,
    disc_wheel,
    hull,
    lathe,
    moved,
    rod,
    rough_ball,
    tube,
    turned,
)

_WHITE_RED = Material(Texture.POSTER, (0.85, 0.10, 0.10), (0.90, 0.90, 0.88), 0.35, lidar_reflectivity=0.7)
_CONE_ORANGE = Material(Texture.PLAIN, (0.90, 0.30, 0.06), lidar_reflectivity=0.5)
_CONE_WHITE = Material(Texture.PLAIN, (0.90, 0.90, 0.88), lidar_reflectivity=0.9)


def bin_(rng: Generator) -> Object:
    """A fixed litter bin: round, square or on a post."""
    colors = (0.12, 0.25, 0.15), (0.20, 0.21, 0.22), (0.62, 0.30, 0.08), (0.14, 0.18, 0.35)
    paint = painted_metal(one_of(rng, colors))
    height = float(rng.uniform(0.75, 1.05))
    style = int(rng.integers(3))
    if style == 0:
        body = lathe([(0.20, 0), (0.25, height * 0.9)], 12)
        dark = [moved(cylinder(0.26, 0.06, 12), (0, 0, height * 0.88))]
    elif style == 1:
        body = block((0.42, 0.42, height))
        dark = [block((0.46, 0.46, 0.05), z=height), box((0.02, 0.28, 0.12), (0.215, 0.0, height * 0.8))]
    else:
        body = moved(cone(0.17, 0.20, 0.5, 10), (0.14, 0.0, 0.55))
        dark = [rod((0, 0, 0), (0, 0, 1.15), 0.04)]
    return pieces(STATIC, (paint, [body]), (DARK_STEEL, dark))


def bench(rng: Generator) -> Object:
    """A bench, usually with a back."""
    length = float(rng.uniform(1.3, 1.9))
    planks = [block((0.12, length, 0.04), x, 0.0, 0.44) for x in (-0.15, 0.0, 0.15)]
    if chance(rng, 0.75):
        planks += [box((0.04, length, 0.11), (-0.24, 0.0, z)) for z in (0.62, 0.78)]
    legs = [block((0.42, 0.06, 0.44), 0.0, y * length * 0.4) for y in (-1, 1)]
    legs += [block((0.05, 0.05, 0.85), -0.22, y * length * 0.4) for y in (-1, 1)]
    return pieces(STATIC, (timber(rng) if chance(rng, 0.7) else STEEL, planks), (DARK_STEEL, legs))


def hydrant(rng: Generator) -> Object:
    """A fire hydrant."""
    color = painted_metal(one_of(rng, ((0.65, 0.08, 0.07), (0.80, 0.60, 0.08), (0.10, 0.22, 0.50))))
    body = lathe([(0.16, 0), (0.16, 0.05), (0.11, 0.07), (0.11, 0.5), (0.14, 0.52), (0.12, 0.6), (0.04, 0.70)], 10)
    arms = [rod((0, -0.2, 0.4), (0, 0.2, 0.4), 0.055), rod((0, 0, 0.4), (0.2, 0, 0.4), 0.06)]
    return pieces(STATIC, (color, [body]), (DARK_STEEL, arms))


def mailbox(rng: Generator) -> Object:
    """A letter box or junction cabinet."""
    colors = (0.80, 0.62, 0.08), (0.10, 0.20, 0.50), (0.60, 0.08, 0.08), (0.45, 0.47, 0.45)
    color = painted_metal(one_of(rng, colors))
    size = (float(rng.uniform(0.35, 0.5)), float(rng.uniform(0.45, 1.1)), float(rng.uniform(0.9, 1.3)))
    slot = box((0.02, size[1] * 0.6, 0.05), (size[0] / 2 + 0.005, 0.0, size[2] * 0.8))
    top = block((size[0] + 0.06, size[1] + 0.06, 0.05), z=size[2])
    return pieces(STATIC, (color, [block(size), top]), (BLACK_PLASTIC, [slot]))


def planter(rng: Generator) -> Object:
    """A tub with plants."""
    length = float(rng.uniform(0.7, 1.6))
    if chance(rng, 0.6):
        material = Material(Texture.CONCRETE, varied(rng, (0.55, 0.54, 0.52)), (0.4, 0.4, 0.4), 0.8)
    else:
        material = timber(rng)
    tub = block((0.6, length, 0.5))
    plants = [rough_ball(rng, (0.6, 0.5, 0.5), (0.0, y, 0.62)) for y in np.linspace(-0.35, 0.35, 3) * length]
    return pieces(STATIC, (material, [tub]), (foliage(rng), plants))


def bollard(rng: Generator) -> Object:
    """A bollard."""
    height, radius = float(rng.uniform(0.6, 1.0)), float(rng.uniform(0.06, 0.12))
    material = DARK_STEEL if chance(rng, 0.5) else painted_metal(varied(rng, (0.75, 0.75, 0.72)))
    body = lathe([(radius, 0), (radius, height * 0.9), (radius * 0.5, height)], 9)
    band = moved(cylinder(radius + 0.005, 0.08, 9), (0, 0, height * 0.72))
    return pieces(STATIC, (material, [body]), (_CONE_WHITE, [band]))


def traffic_cone(rng: Generator) -> Object:
    """An orange cone with white bands."""
    height = float(rng.uniform(0.45, 0.8))
    body = cone(0.24 * height, 0.05 * height, height, 10)
    bands = []
    for z in (0.35, 0.68):
        low, high = (0.246 - 0.19 * z) * height, (0.246 - 0.19 * (z + 0.16)) * height
        bands.append(moved(cone(low, high, 0.16 * height, 10), (0, 0, z * height)))
    return pieces(STATIC, (_CONE_ORANGE, [body, block((0.55 * height, 0.55 * height, 0.04))]), (_CONE_WHITE, bands))


def barrier(rng: Generator) -> Object:
    """A construction barrier: red and white boards, or a plastic or concrete block."""
    length = float(rng.uniform(1.2, 2.2))
    style = int(rng.integers(3))
    if style == 0:
        boards = [box((0.03, length, 0.2), (0.0, 0.0, z)) for z in (0.5, 0.9)]
        posts = [block((0.06, 0.06, 1.05), 0.0, y * length * 0.42) for y in (-1, 1)]
        feet = [block((0.6, 0.1, 0.06), 0.0, y * length * 0.42) for y in (-1, 1)]
        return pieces(STATIC, (_WHITE_RED, boards), (DARK_STEEL, posts + feet))
    foot = hull((-length / 2, 0.0, 0.30, 0.25, 0.14), (length / 2, 0.0, 0.30, 0.25, 0.14))
    top = hull((-length / 2, 0.28, 0.85, 0.14, 0.09), (length / 2, 0.28, 0.85, 0.14, 0.09))
    material = _CONE_ORANGE if chance(rng, 0.5) else _CONE_WHITE
    if style == 2:
        material = Material(Texture.CONCRETE, varied(rng, (0.58, 0.57, 0.55)), (0.4, 0.4, 0.4), 2.0)
    return pieces(STATIC, (material, [turned(mesh, np.pi / 2) for mesh in (foot, top)]))


def bus_shelter(rng: Generator) -> Object:
    """A glazed shelter with a bench and a poster; its open side towards x."""
    length = float(rng.uniform(2.8, 4.2))
    posts = [block((0.08, 0.08, 2.4), x, y * length / 2) for x in (-0.6, 0.55) for y in (-1, 1)]
    roof = block((1.5, length + 0.3, 0.1), 0.0, 0.0, 2.4)
    glass = [block((0.03, length - 0.2, 1.9), -0.62, 0.0, 0.3), block((1.0, 0.03, 1.9), 0.0, length / 2, 0.3)]
    seat = [block((0.35, length * 0.6, 0.05), -0.4, 0.0, 0.45), block((0.3, 0.06, 0.45), -0.4)]
    poster = block((1.0, 0.08, 1.7), 0.0, -length / 2, 0.35)
    return pieces(STATIC, (DARK_STEEL, [*posts, roof]), (GLASS, glass), (timber(rng), seat), (advert(rng), [poster]))


def advert_column(rng: Generator) -> Object:
    """An advertising column or a lit poster on a foot."""
    if chance(rng, 0.5):
        poster = moved(cylinder(0.6, 2.3, 16), (0, 0, 0.3))
        dark = [cylinder(0.62, 0.3, 16), moved(cone(0.7, 0.1, 0.35, 16), (0, 0, 2.6))]
    else:
        poster = block((0.16, 1.2, 1.75), z=0.6)
        dark = [block((0.14, 0.9, 0.6)), block((0.2, 1.3, 0.08), z=2.35)]
    return pieces(STATIC, (advert(rng), [poster]), (DARK_STEEL, dark))


def wheelie_bin(rng: Generator) -> Object:
    """A rubbish bin on wheels (class dynamic)."""
    colors = (0.12, 0.24, 0.13), (0.16, 0.17, 0.18), (0.55, 0.45, 0.08), (0.12, 0.18, 0.40), (0.35, 0.20, 0.12)
    color = plain(one_of(rng, colors))
    body = hull((-0.27, 0.08, 0.98, 0.22, 0.27), (0.27, 0.08, 0.94, 0.20, 0.25))
    lid = block((0.62, 0.58, 0.07), 0.0, 0.0, 0.95)
    wheels = [disc_wheel(0.1, 0.06, (-0.24, y, 0.1), 8) for y in (-0.24, 0.24)]
    return pieces(DYNAMIC, (color, [body, lid]), (BLACK_PLASTIC, wheels))


def trash_bags(rng: Generator) -> Object:
    """One to four rubbish bags (class dynamic)."""
    bags = []
    for _ in range(int(rng.integers(1, 5))):
        size, x, y = float(rng.uniform(0.35, 0.6)), float(rng.uniform(-0.35, 0.35)), float(rng.uniform(-0.35, 0.35))
        bags.append(rough_ball(rng, (size, size, size * 1.1), (x, y, size * 0.42), 0.12))
        bags.append(moved(cone(0.05, 0.09, 0.12, 6), (x, y, size * 0.88)))
    color = ((0.06, 0.06, 0.07), (0.75, 0.75, 0.72), (0.10, 0.20, 0.45))[int(rng.choice(3, p=(0.6, 0.2, 0.2)))]
    return pieces(DYNAMIC, (plain(color, 0.3), bags))


def pavement_sign(rng: Generator) -> Object:
    """A shop's A-board (class dynamic)."""
    boards = [moved(turned(block((0.03, 0.6, 0.95)), s * 0.2, axis=1), (s * -0.19, 0.0, 0.0)) for s in (-1, 1)]
    return pieces(DYNAMIC, (advert(rng), boards))


def luggage(rng: Generator) -> Object:
    """Bags or a suitcase left standing (class dynamic)."""
    if chance(rng, 0.5):
        case = block((0.25, 0.42, 0.6), z=0.05)
        handle = tube([(0.0, -0.1, 0.65), (0.0, -0.1, 0.95), (0.0, 0.1, 0.95), (0.0, 0.1, 0.65)], 0.012, 4)
        return pieces(DYNAMIC, (cloth(rng), [case]), (CHROME, [handle]))
    bag = hull((-0.25, 0.0, 0.30, 0.14, 0.10), (0.25, 0.0, 0.30, 0.14, 0.10))
    strap = tube([(-0.15, 0, 0.3), (-0.08, 0, 0.45), (0.08, 0, 0.45), (0.15, 0, 0.3)], 0.015, 4)
    return pieces(DYNAMIC, (cloth(rng), [bag, strap]))


def street_lamp(rng: Generator, lit: bool) -> tuple[Object, Object]:
    """A lamp post (class pole) reaching towards x, and its lamp, a separate object, which emits light at night."""
    height, reach = float(rng.uniform(5.5, 8.5)), float(rng.uniform(0.8, 2.2))
    post = [rod((0, 0, -0.1), (0, 0, height), 0.09, 0.055), rod((0, 0, height - 0.05), (reach, 0, height + 0.25), 0.04)]
    if chance(rng, 0.25):
        post.append(block((0.25, 0.25, 0.9), z=0.0))
    shell = box((0.75, 0.26, 0.10), (reach + 0.2, 0.0, height + 0.30))
    glow = box((0.60, 0.2, 0.05), (reach + 0.2, 0.0, height + 0.23))
    return pieces(POLE, (STEEL, [*post, shell])), pieces(POLE, (LAMP_GLOW if lit else LAMP_OFF, [glow]))


def utility_pole(rng: Generator) -> Object:
    """A wooden or concrete pole with cross arms."""
    height = float(rng.uniform(7, 9.5))
    meshes = [rod((0, 0, -0.1), (0, 0, height), 0.15, 0.10), box((0.1, 2.0, 0.12), (0.0, 0.0, height - 0.6))]
    return pieces(POLE, (timber(rng) if chance(rng, 0.6) else STEEL, meshes))


_SIGN_COLORS = (
    ((0.80, 0.08, 0.08), (0.92, 0.92, 0.90)),
    ((0.10, 0.25, 0.62), (0.92, 0.92, 0.90)),
    ((0.92, 0.75, 0.08), (0.08, 0.08, 0.08)),
    ((0.92, 0.92, 0.90), (0.08, 0.08, 0.08)),
    ((0.08, 0.42, 0.22), (0.92, 0.92, 0.90)),
)


def traffic_sign(rng: Generator) -> Object:
    """A sign on its post, facing x: disc, triangle, square, octagon or diamond, sometimes two."""
    post_height = float(rng.uniform(2.3, 3.0))
    plates, marks = [], []
    for i in range(1 + int(chance(rng, 0.3))):
        size, z = float(rng.uniform(0.28, 0.42)), post_height - 0.35 - 0.75 * i
        sides, turn = ((16, 0.0), (3, np.pi), (4, np.pi / 4), (8, np.pi / 8), (4, 0.0))[int(rng.integers(5))]
        plate = turned(turned(cylinder(size, 0.02, sides), turn), np.pi / 2, axis=1)
        plates.append(moved(plate, (0.05, 0.0, z)))
        mark = turned(turned(cylinder(size * 0.72, 0.01, sides), turn), np.pi / 2, axis=1)
        marks.append(moved(mark, (0.066, 0.0, z)))
    first, second = _SIGN_COLORS[int(rng.integers(len(_SIGN_COLORS)))]
    rim = Material(Texture.PLAIN, varied(rng, first, 0.02), lidar_reflectivity=0.95)
    face = Material(Texture.POSTER if chance(rng, 0.4) else Texture.PLAIN, second, first, 0.12, lidar_reflectivity=0.95)
    back = [moved(mesh, (-0.012, 0.0, 0.0)) for mesh in plates]
    post = rod((0, 0, -0.1), (0, 0, post_height), 0.035)
    return pieces(POLE, (STEEL, [post])) + pieces(TRAFFIC_SIGN, (STEEL, back), (rim, plates), (face, marks))


def direction_board(rng: Generator) -> Object:
    """A big direction sign on two posts, facing x."""
    width, height = float(rng.uniform(1.8, 3.0)), float(rng.uniform(1.0, 1.6))
    ground = ((0.08, 0.30, 0.62), (0.08, 0.40, 0.22), (0.90, 0.90, 0.88))[int(rng.integers(3))]
    text = (0.9, 0.9, 0.88) if ground[0] < 0.5 else (0.1, 0.1, 0.1)
    material = Material(Texture.POSTER, ground, text, 0.45, lidar_reflectivity=0.95)
    posts = [rod((0, s * width * 0.35, -0.1), (0, s * width * 0.35, 2.2 + height), 0.05) for s in (-1, 1)]
    board = box((0.05, width, height), (0.06, 0.0, 2.2 + height / 2))
    return pieces(POLE, (STEEL, posts)) + pieces(TRAFFIC_SIGN, (material, [board]))


def traffic_light(rng: Generator, arm_m: float) -> Object:
    """A traffic light facing x: on a post, and above the road if arm_m is not 0 (reaching towards y)."""
    state = int(rng.integers(3))
    posts = [rod((0, 0, -0.1), (0, 0, 3.2 if arm_m == 0 else 5.8), 0.08 if arm_m else 0.06)]
    heads = [(0.14, 0.0, 2.75)]
    if arm_m:
        posts.append(rod((0, 0, 5.7), (0, arm_m, 5.9), 0.06))
        heads.append((0.14, arm_m * 0.92, 5.45))
    lamp, lamps = turned(cylinder(0.10, 0.03, 10), np.pi / 2, axis=1), []
    for i, color in enumerate(((0.95, 0.08, 0.06), (0.95, 0.62, 0.05), (0.10, 0.85, 0.35))):
        lit = Material(Texture.PLAIN, color, emissive=0.9)
        meshes = [moved(lamp, (x + 0.11, y, z + 0.30 - 0.30 * i)) for x, y, z in heads]
        lamps.append((lit if i == state else Material(Texture.PLAIN, darker(color, 0.2)), meshes))
    boxes = [box((0.22, 0.30, 0.95), head) for head in heads]
    return pieces(POLE, (DARK_STEEL, posts)) + pieces(TRAFFIC_LIGHT, (BLACK_PLASTIC, boxes), *lamps)
