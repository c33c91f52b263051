"""Aircraft on the ground: hulls of swept tubes, wings of extruded outlines; roughly in metres, noses along x."""

import numpy as np
from numpy.random import Generator

from lib.simulator.assembly import Groups
from lib.simulator.shapes import (
    Mesh,
    block,
    box,
    cone,
    cylinder,
    extrude,
    hull,
    lathe,
    moved,
    rod,
    standing,
    torus,
    tube,
    turned,
)


def _wing(root: float, tip: float, half_span: float, sweep: float, thick: float = 0.05) -> Mesh:
    """Both halves of a wing in one outline."""
    front, back, y = root / 2 - sweep, root / 2 - sweep - tip, half_span
    return extrude([(root / 2, 0.0), (front, y), (back, y), (-root / 2, 0.0), (back, -y), (front, -y)], thick)


def airplane(rng: Generator) -> Groups:
    """A small aeroplane with undercarriage, jet or propeller."""
    body = tube(
        [(-1.3, 0, 0.75), (-0.6, 0, 0.62), (0.5, 0, 0.6), (1.0, 0, 0.58), (1.25, 0, 0.55)],
        [0.05, 0.16, 0.2, 0.16, 0.04],
        9,
    )
    wing = moved(
        _wing(rng.uniform(0.4, 0.6), 0.25, rng.uniform(1.0, 1.5), rng.uniform(0.1, 0.6)),
        (0.2, 0.0, rng.choice((0.5, 0.78))),
    )
    tail = moved(_wing(0.3, 0.15, 0.45, 0.2, 0.03), (-1.15, 0.0, 0.75))
    fin = standing(extrude([(-1.35, 0.75), (-0.95, 0.75), (-1.2, 1.2), (-1.4, 1.2)], 0.04))
    gear = [rod((x, y, 0.55), (x, y * 1.3, 0.1), 0.025) for x, y in ((0.2, -0.25), (0.2, 0.25), (0.95, 0.0))]
    wheel = turned(torus(0.07, 0.035, 10, 5), np.pi / 2, axis=0)
    gear += [moved(wheel, (x, y, 0.1)) for x, y in ((0.2, -0.32), (0.2, 0.32), (0.95, 0.0))]
    blade = turned(box((0.03, 0.09, 0.9)), rng.uniform(0, 3), axis=0)
    return [[body, wing, tail, fin], [*gear, moved(blade, (1.28, 0.0, 0.55))]]


def helicopter(rng: Generator) -> Groups:
    """A helicopter on skids."""
    cabin = hull(
        (-0.5, 0.55, 0.85, 0.2, 0.2),
        (-0.2, 0.3, 1.0, 0.35, 0.3),
        (0.35, 0.3, 1.0, 0.35, 0.28),
        (0.75, 0.35, 0.6, 0.2, 0.16),
    )
    boom = tube([(-0.4, 0, 0.75), (-1.5, 0, 0.85)], [0.14, 0.05], 7)
    fin = standing(extrude([(-1.6, 0.7), (-1.35, 0.8), (-1.5, 1.2), (-1.7, 1.2)], 0.04))
    turn = rng.uniform(0, np.pi)
    blade = box((2.4, 0.12, 0.02), (0.0, 0.0, 1.2))
    blades = [turned(blade, turn + i * np.pi / 2) for i in range(int(rng.integers(1, 3)))]
    skids = [rod((-0.5, s * 0.35, 0.04), (0.7, s * 0.35, 0.04), 0.035) for s in (-1, 1)]
    skids += [rod((x, s * 0.35, 0.04), (x, s * 0.2, 0.35), 0.025) for x in (-0.2, 0.4) for s in (-1, 1)]
    rotor = moved(turned(box((0.45, 0.02, 0.06)), turn, axis=1), (-1.55, 0.06, 1.0))
    return [[cabin, boom, fin], [*blades, *skids, rotor, moved(cylinder(0.05, 0.25, 8), (0.0, 0.0, 0.98))]]


def kite(rng: Generator) -> Groups:
    """A big kite leaning on its tail of bows."""
    half, lean = rng.uniform(0.4, 0.75), rng.uniform(0.8, 1.25)
    outline = [(0.0, -0.8), (half, 0.15), (0.0, 0.6), (-half, 0.15)]
    sail = [turned(extrude(outline, 0.02), lean, axis=0)]
    bars = (box((0.03, 1.4, 0.05), (0, -0.1, 0)), box((2 * half, 0.03, 0.05), (0, 0.15, 0)))
    spars = [turned(mesh, lean, axis=0) for mesh in bars]
    bows = []
    for i in range(int(rng.integers(3, 6))):
        tie = extrude([(-0.15, -0.08), (0.0, -0.02), (0.15, -0.08), (0.15, 0.08), (0.0, 0.02), (-0.15, 0.08)], 0.03)
        bows.append(moved(tie, (0.1 * np.sin(2.0 * i), -0.55 - 0.28 * i, -0.7)))
    return [sail, spars + bows]


def hang_glider(rng: Generator) -> Groups:
    """A delta wing with its control frame."""
    half, keel = rng.uniform(1.2, 1.6), rng.uniform(1.1, 1.4)
    left = [(-keel / 2 + 0.1, half), (-keel / 2, half * 0.8), (-keel * 0.3, half * 0.4)]
    outline = [(keel / 2, 0.0), *left, (-keel / 2, 0.0), *((x, -y) for x, y in left[::-1])]
    sail = moved(turned(extrude(outline, 0.02), rng.uniform(-0.3, 0.1), axis=1), (0.0, 0.0, 0.85))
    frame = [rod((0.0, 0.0, 0.85), (0.15, s * 0.5, 0.0), 0.025) for s in (-1, 1)]
    frame += [rod((0.15, -0.5, 0.02), (0.15, 0.5, 0.02), 0.025), rod((0.0, 0.0, 0.85), (0.0, 0.0, 1.25), 0.02)]
    return [[sail], frame]


def drone(rng: Generator) -> Groups:
    """A quadcopter or hexacopter."""
    arms = int(rng.choice((4, 6)))
    legs = [rod((0.1 * s, y, 0.22), (0.22 * s, y * 1.4, 0.0), 0.02) for s in (-1, 1) for y in (-0.12, 0.12)]
    body, rotors = [block((0.3, 0.3, 0.14), z=0.22), *legs], []
    for angle in (np.arange(arms) * 2 * np.pi / arms + rng.uniform(0, 1)).tolist():
        x, y = 0.45 * float(np.cos(angle)), 0.45 * float(np.sin(angle))
        body += [rod((0.0, 0.0, 0.3), (x, y, 0.32), 0.03), moved(cylinder(0.045, 0.1, 8), (x, y, 0.28))]
        blade = turned(box((0.38, 0.03, 0.01)), angle * 3)
        rotors += [moved(torus(0.2, 0.015, 14, 4), (x, y, 0.38)), moved(blade, (x, y, 0.39))]
    return [body, rotors]


def rocket(rng: Generator) -> Groups:
    """A rocket standing on its fins, or lying."""
    radius, height = rng.uniform(0.14, 0.24), rng.uniform(1.3, 1.8)
    tip = (radius * 0.6, height + 0.25), (0.01, height + 0.5)
    body = lathe([(radius * 0.7, 0.15), (radius, 0.3), (radius, height), *tip], 12)
    outline = [(radius * 0.9, 0.35), (radius + 0.3, 0.0), (radius + 0.3, 0.25), (radius * 0.9, 0.75)]
    count = int(rng.integers(3, 5))
    fins = [turned(standing(extrude(outline, 0.03)), i * 2 * np.pi / count) for i in range(count)]
    parts = [[body], [*fins, cone(radius * 0.8, radius * 0.4, 0.18, 10)]]
    if rng.random() < 0.35:
        return [[turned(mesh, np.pi / 2, axis=1) for mesh in group] for group in parts]
    return parts


def plane_tail(rng: Generator) -> Groups:
    """A torn-off tail: a bent hull piece with fins and ribs."""
    body = tube([(-0.9, 0, 0.3), (-0.3, 0, 0.34), (0.5, 0.1, 0.5)], [0.30, 0.26, 0.08], 9)
    fin = standing(extrude([(0.2, 0.45), (0.6, 0.5), (0.75, 1.2), (0.45, 1.2)], 0.05))
    wings = moved(_wing(0.3, 0.15, rng.uniform(0.5, 0.8), 0.2, 0.04), (0.45, 0.1, 0.55))
    ribs = [moved(turned(torus(0.31, 0.03, 14, 5), np.pi / 2, axis=1), (x, 0.0, 0.31)) for x in (-0.95, -0.65, -0.35)]
    return [[body, fin, turned(wings, rng.uniform(-0.3, 0.3), axis=0)], ribs]
