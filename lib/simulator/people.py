"""Pedestrians, riders, bicycles and motorcycles: origin on the ground, x forward [m]."""

from dataclasses import replace

import numpy as np
from numpy.random import Generator

from lib.common.labels import BICYCLE, MOTORCYCLE, PEDESTRIAN, RIDER
from lib.simulator.assembly import Object, pieces, resized
from lib.simulator.materials import (
    BLACK_PLASTIC,
    CHROME,
    DARK_STEEL,
    HEADLIGHT,
    TAIL_LIGHT,
    TYRE,
    body_color,
    chance,
    cloth,
    one_of,
    paint,
    painted_metal,
    plain,
    skin,
)
from lib.simulator.scene import Material
from lib.simulator.shapes import Mesh, ball, block, box, hull, lathe, moved, rod, scaled, torus, tube, turned

Place = tuple[float, float]


def pedestrian(rng: Generator, rain: bool = False) -> Object:
    """A standing or walking person in trousers, skirt or coat; sometimes with bag, rucksack, hat or umbrella."""
    height = float(rng.uniform(1.05, 1.45) if chance(rng, 0.12) else rng.normal(1.72, 0.08))
    girth = float(rng.uniform(0.85, 1.2))
    stride = float(rng.uniform(0.12, 0.36)) if chance(rng, 0.65) else 0.03
    skirt = chance(rng, 0.2)
    trunk = lathe([(0.085, 0.48), (0.080, 0.60), (0.100, 0.76), (0.095, 0.81), (0.035, 0.845)], 9)
    head, neck = ball(0.062, (0.008, 0.0, 0.93 / 1.08)), rod((0, 0, 0.82), (0.0, 0, 0.89), 0.03)
    upper, bare = [scaled(trunk, (0.78 * girth, 1.15 * girth, 1.0))], [scaled(head, (1.0, 0.88, 1.08)), neck]
    dark, lower = [ball(0.066, (-0.010, 0.0, 0.945))], list[Mesh]()
    for sign in (-1, 1):
        foot = sign * stride * 0.5
        leg = [(0.0, sign * 0.07, 0.50), (foot * 0.6 + 0.02, sign * 0.07, 0.28), (foot, sign * 0.07, 0.04)]
        (bare if skirt else lower).append(tube(leg, [0.075 * girth, 0.052, 0.040], 6))
        dark.append(box((0.15, 0.06, 0.05), (foot + 0.03, sign * 0.07, 0.025)))
        hand = (-foot * 0.8 + 0.03, sign * 0.15 * girth, 0.46)
        arm = [(0.0, sign * 0.115 * girth, 0.80), (-0.02, sign * 0.145 * girth, 0.63), hand]
        upper.append(tube(arm, [0.038, 0.034, 0.026], 5))
        bare.append(box((0.04, 0.03, 0.06), (hand[0], hand[1], hand[2] - 0.03)))
    if skirt or chance(rng, 0.25):
        hem = float(rng.uniform(0.24, 0.42))
        (lower if skirt else upper).append(lathe([(0.11 + stride * 0.2, hem), (0.095 * girth, 0.62)], 10))
    person = pieces(PEDESTRIAN, (cloth(rng), upper), (cloth(rng), lower), (skin(rng), bare), (_hair(rng), dark))
    return resized(person + _carried(rng, rain), height)


def _hair(rng: Generator) -> Material:
    return plain(one_of(rng, ((0.06, 0.05, 0.04), (0.22, 0.14, 0.08), (0.45, 0.34, 0.18)), 0.02))


def _carried(rng: Generator, rain: bool) -> Object:
    """Rucksack, bag, hat, umbrella: of a person of height 1."""
    things: Object = ()
    if chance(rng, 0.2):
        things += pieces(PEDESTRIAN, (cloth(rng), [box((0.10, 0.17, 0.22), (-0.125, 0.0, 0.70))]))
    elif chance(rng, 0.2):
        side = float(rng.choice((-1, 1)))
        things += pieces(PEDESTRIAN, (cloth(rng), [box((0.18, 0.05, 0.14), (0.02, side * 0.17, 0.36))]))
    if chance(rng, 0.12):
        things += pieces(PEDESTRIAN, (cloth(rng), [lathe([(0.085, 0.965), (0.065, 0.97), (0.058, 1.01)], 9)]))
    if chance(rng, 0.5 if rain else 0.02):
        canopy = lathe([(0.30, 1.03), (0.17, 1.12), (0.01, 1.16)], 10)
        stick = rod((0.06, 0.13, 0.50), (0.06, 0.13, 1.16), 0.008, sides=4)
        things += pieces(PEDESTRIAN, (cloth(rng), [moved(canopy, (0.06, 0.13, 0.0))]), (DARK_STEEL, [stick]))
    return things


def bicycle(rng: Generator) -> Object:
    """A bicycle, upright."""
    wheel = turned(torus(0.31, 0.022, 16, 5), np.pi / 2, axis=0)
    wheels = [moved(wheel, (x, 0.0, 0.335)) for x in (-0.52, 0.52)]
    ends = [(x, 0.3 * c, 0.3 * s) for x in (-0.52, 0.52) for c, s in ((1.0, 0.0), (0.5, 0.87), (-0.5, 0.87))]
    spokes = [rod((x - a, 0.0, 0.335 - b), (x + a, 0.0, 0.335 + b), 0.006, sides=3) for x, a, b in ends]
    frame = [
        rod((-0.52, 0, 0.335), (-0.10, 0, 0.30), 0.018),
        rod((-0.10, 0, 0.30), (-0.22, 0, 0.82), 0.02),
        rod((-0.52, 0, 0.335), (-0.20, 0, 0.72), 0.014),
        rod((-0.10, 0, 0.30), (0.38, 0, 0.72), 0.02),
        rod((-0.20, 0, 0.72), (0.38, 0, 0.78), 0.02),
        rod((0.52, 0, 0.335), (0.36, 0, 0.95), 0.018),
    ]
    black = [block((0.24, 0.12, 0.05), -0.24, 0.0, 0.85), box((0.04, 0.52, 0.03), (0.34, 0.0, 0.97))]
    paint = painted_metal(body_color(rng))
    thing = pieces(BICYCLE, (TYRE, wheels), (CHROME, spokes), (paint, frame), (BLACK_PLASTIC, black))
    if chance(rng, 0.25):
        basket = block((0.26, 0.32, 0.22), 0.58 if chance(rng, 0.5) else -0.58, 0.0, 0.74)
        thing += pieces(BICYCLE, (BLACK_PLASTIC, [basket]))
    return thing


def cyclist(rng: Generator) -> Object:
    """A bicycle with its rider."""
    return bicycle(rng) + _rider(rng, seat=(-0.22, 0.88), bars=(0.32, 0.98), pedal=(-0.05, 0.30), helmet_fraction=0.5)


def motorcycle(rng: Generator) -> Object:
    """A motorcycle or scooter, upright."""
    body = paint(body_color(rng))
    scooter = chance(rng, 0.45)
    radius, base = (0.23, 0.62) if scooter else (0.31, 0.70)
    wheel = turned(torus(radius - 0.07, 0.07, 14, 6), np.pi / 2, axis=0)
    wheels = [moved(wheel, (x, 0.0, radius)) for x in (-base, base)]
    if scooter:
        shell = [
            hull((-0.85, 0.50, 0.72, 0.10, 0.10), (-0.45, 0.36, 0.74, 0.19, 0.16), (-0.10, 0.26, 0.68, 0.18, 0.14)),
            block((0.5, 0.34, 0.10), 0.10, 0.0, 0.22),
            hull((0.32, 0.28, 0.50, 0.18, 0.18), (0.40, 0.30, 1.02, 0.20, 0.17), (0.55, 0.45, 0.95, 0.10, 0.08)),
        ]
    else:
        shell = [
            hull((-0.15, 0.72, 0.90, 0.12, 0.10), (0.1, 0.70, 1.00, 0.17, 0.12), (0.35, 0.74, 0.94, 0.12, 0.08)),
            hull((-0.95, 0.80, 0.88, 0.06, 0.05), (-0.35, 0.68, 0.82, 0.12, 0.10)),
        ]
    dark = [block((0.62, 0.22, 0.10), -0.38, 0.0, 0.78), box((0.04, 0.70, 0.04), (0.38, 0.0, 1.04))]
    engine = [block((0.5, 0.26, 0.36), 0.02, 0.0, 0.26)] if not scooter else []
    forks = [rod((base, s * 0.09, radius), (0.40, s * 0.09, 1.02), 0.025) for s in (-1, 1)]
    exhaust = rod((-0.05, -0.15, 0.30), (-0.85, -0.17, 0.38), 0.05)
    return pieces(
        MOTORCYCLE,
        (TYRE, wheels),
        (body, shell),
        (BLACK_PLASTIC, dark),
        (DARK_STEEL, [*engine, *forks]),
        (CHROME, [exhaust]),
        (HEADLIGHT, [box((0.1, 0.18, 0.16), (0.52, 0.0, 0.92))]),
        (TAIL_LIGHT, [box((0.06, 0.16, 0.08), (-0.92, 0.0, 0.82))]),
    )


def motorcyclist(rng: Generator) -> Object:
    """A motorcycle with its rider."""
    return motorcycle(rng) + _rider(rng, seat=(-0.30, 0.86), bars=(0.34, 1.04), pedal=(0.0, 0.34), helmet_fraction=1.0)


def _rider(rng: Generator, seat: Place, bars: Place, pedal: Place, helmet_fraction: float) -> Object:
    """A seated person; seat, bars and pedals as (x, z)."""
    (x, z), girth = seat, float(rng.uniform(0.9, 1.15))
    lean = float(rng.uniform(0.12, 0.30))
    neck = (x + lean, z + 0.55)
    spine = [(x, 0, z + 0.02), (x + lean * 0.5, 0, z + 0.28), (neck[0], 0, neck[1] - 0.05), (neck[0], 0, neck[1])]
    upper, lower, dark = [tube(spine, np.array([0.15, 0.16, 0.17, 0.07]) * girth, 8)], [], []
    for sign in (-1, 1):
        elbow = ((neck[0] + bars[0]) / 2 - 0.05, sign * 0.27, (neck[1] + bars[1]) / 2 - 0.10)
        arm = [(neck[0], sign * 0.19, neck[1] - 0.08), elbow, (bars[0], sign * 0.25, bars[1])]
        upper.append(tube(arm, [0.06, 0.05, 0.04], 5))
        foot = (pedal[0] + sign * 0.09, sign * 0.12, pedal[1] - sign * 0.08)
        knee = (foot[0] + 0.26, sign * 0.14, (z + foot[2]) / 2 + 0.16)
        lower.append(tube([(x, sign * 0.10, z), knee, foot], [0.09, 0.065, 0.045], 6))
        dark.append(box((0.26, 0.09, 0.08), (foot[0] + 0.05, foot[1], foot[2])))
    head = (neck[0] + 0.04, 0.0, neck[1] + 0.15)
    helmet = chance(rng, helmet_fraction)
    crown = ball(0.14 if helmet else 0.118, (head[0] - 0.015, 0.0, head[2] + 0.02))
    cover = painted_metal(body_color(rng)) if helmet else _hair(rng)
    clothes, face = ((cloth(rng), upper), (cloth(rng), lower)), (skin(rng), [ball(0.11, head)])
    return pieces(RIDER, *clothes, face, (cover, [crown]), (BLACK_PLASTIC, dark))


def leaning(rng: Generator, thing: Object) -> Object:
    """A parked two-wheeler on its stand."""
    tilt = float(rng.choice((-1, 1)) * rng.uniform(0.08, 0.18))
    return tuple(replace(piece, mesh=turned(piece.mesh, tilt, axis=0)) for piece in thing)
