"""Objects of building sites, playgrounds and fairs: rings, tubes, trusses, outlines; roughly in metres."""

import numpy as np
from numpy.random import Generator

from lib.simulator.assembly import Groups
from lib.simulator.shapes import block, box, cylinder, extrude, lathe, moved, patch, rod, standing, torus, tube, turned


def tyre_stack(rng: Generator) -> Groups:
    """Stacked tyres, one leaning on them."""
    radius, thick = rng.uniform(0.25, 0.35), rng.uniform(0.09, 0.12)
    tyre = torus(radius, thick, 16, 7)
    heights = [thick + 1.75 * thick * i for i in range(int(rng.integers(2, 7)))]
    stack = [moved(tyre, (*rng.uniform(-0.05, 0.05, 2).tolist(), z)) for z in heights]
    leaning = moved(turned(tyre, rng.uniform(1.0, 1.35), axis=1), (radius + 3 * thick, 0.0, radius))
    return [stack, [leaning]] if rng.random() < 0.6 else [stack[::2], stack[1::2]]


def pipe_pile(rng: Generator) -> Groups:
    """A pyramid of pipes."""
    length, radius, rows = rng.uniform(1.0, 2.0), rng.uniform(0.12, 0.2), int(rng.integers(2, 4))
    inside = (radius * 0.75, length), (radius * 0.74, 0.01)
    pipe = turned(lathe([(radius * 0.75, 0), (radius, 0), (radius, length), *inside], 12), np.pi / 2, axis=1)
    pipes = []
    for row in range(rows):
        for i in range(rows - row):
            y, z = (i - (rows - row - 1) / 2) * 2.02 * radius, radius + row * 1.75 * radius
            pipes.append(moved(pipe, (-length / 2 + rng.uniform(-0.1, 0.1), y, z)))
    return [pipes[::2], pipes[1::2]]


def spring(rng: Generator) -> Groups:
    """A coil spring, standing."""
    turns, radius = rng.uniform(3.5, 6.0), rng.uniform(0.25, 0.4)
    angle = np.linspace(0, 2 * np.pi * turns, int(12 * turns))
    path = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0.05 + angle * rng.uniform(0.025, 0.04)], axis=1)
    return [[tube(path, 0.05, 6)]]


def gear(rng: Generator) -> Groups:
    """A cogwheel standing on its teeth."""
    teeth, thick = int(rng.integers(8, 15)), rng.uniform(0.12, 0.3)
    angle = np.arange(4 * teeth) * 2 * np.pi / (4 * teeth)
    radius = np.where(np.arange(4 * teeth) % 4 < 2, 0.5, 0.4)
    wheel = standing(extrude(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), thick))
    hub = moved(turned(cylinder(0.14, thick * 2, 12), np.pi / 2, axis=0), (0.0, thick, 0.0))
    return [[wheel], [hub]]


def star(rng: Generator) -> Groups:
    """A thick star on its points."""
    points, inner = int(rng.integers(4, 8)), rng.uniform(0.35, 0.55)
    angle = np.pi / 2 + np.arange(2 * points) * np.pi / points
    radius = np.where(np.arange(2 * points) % 2 == 0, 1.0, inner)
    outline = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return [[standing(extrude(outline, rng.uniform(0.15, 0.45)))]]


_GLYPHS = (
    (
        (0, 0), (0.6, 0), (0.6, 0.2), (0.2, 0.2), (0.2, 0.4), (0.5, 0.4),
        (0.5, 0.6), (0.2, 0.6), (0.2, 0.8), (0.6, 0.8), (0.6, 1), (0, 1),
    ),
    ((0.2, 0), (0.4, 0), (0.4, 0.8), (0.65, 0.8), (0.65, 1), (-0.05, 1), (-0.05, 0.8), (0.2, 0.8)),
    (
        (0, 0), (0.2, 0), (0.2, 0.4), (0.45, 0.4), (0.45, 0), (0.65, 0),
        (0.65, 1), (0.45, 1), (0.45, 0.6), (0.2, 0.6), (0.2, 1), (0, 1),
    ),
    ((0, 0), (0.6, 0), (0.6, 0.2), (0.2, 0.2), (0.2, 1), (0, 1)),
    ((0, 1), (0.22, 0), (0.42, 0), (0.64, 1), (0.44, 1), (0.32, 0.4), (0.2, 1)),
    ((0, 0), (0.2, 0), (0.2, 0.65), (0.45, 0), (0.65, 0), (0.65, 1), (0.45, 1), (0.45, 0.35), (0.2, 1), (0, 1)),
    ((0, 0), (0.65, 0), (0.65, 0.2), (0.28, 0.2), (0.65, 0.8), (0.65, 1), (0, 1), (0, 0.8), (0.37, 0.8), (0, 0.2)),
)  # fmt: skip


def letters(rng: Generator) -> Groups:
    """Standing block letters of a shop sign."""
    chosen = rng.choice(len(_GLYPHS), int(rng.integers(1, 4))).tolist()
    return [[standing(extrude([(x + 0.8 * i, y) for x, y in _GLYPHS[n]], 0.25)) for i, n in enumerate(chosen)]]


def arrow(rng: Generator) -> Groups:
    """A big arrow stuck in the ground at an angle."""
    outline = [(-0.12, 0.0), (0.12, 0.0), (0.12, 0.9), (0.4, 0.9), (0.0, 1.5), (-0.4, 0.9), (-0.12, 0.9)]
    return [[turned(standing(extrude(outline, 0.2)), rng.uniform(-0.5, 3.6), axis=1)]]


def scaffold(rng: Generator) -> Groups:
    """A bay of scaffolding with a deck."""
    width, depth, height = rng.uniform(1.4, 2.0), rng.uniform(0.7, 1.0), rng.uniform(1.6, 2.2)
    corners = [(x * width / 2, y * depth / 2) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    bars = [rod((x, y, 0.0), (x, y, height), 0.03) for x, y in corners]
    for level in (0.3, 0.62, 0.98):
        for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
            bars.append(rod((ax, ay, level * height), (bx, by, level * height), 0.025))
    bars += [rod((-width / 2, y * depth / 2, 0.1), (width / 2, y * depth / 2, height * 0.6), 0.022) for y in (-1, 1)]
    return [bars, [block((width, depth * 0.9, 0.05), z=0.63 * height)]]


def barrel(rng: Generator) -> Groups:
    """Barrels with hoops, upright and lying."""
    belly, height = rng.uniform(0.3, 0.38), rng.uniform(0.8, 1.0)
    profile = ((0.78, 0.0), (0.94, 0.25), (1.0, 0.5), (0.94, 0.75), (0.78, 1.0))
    body = lathe([(belly * r, height * z) for r, z in profile], 14)
    places = ((0.9, 0.18), (1.0, 0.38), (1.0, 0.62), (0.9, 0.82))
    hoops = [moved(torus(belly * r, 0.02, 16, 5), (0.0, 0.0, height * z)) for r, z in places]
    if rng.random() < 0.5:
        return [[body], hoops]
    lying = [moved(turned(mesh, np.pi / 2, axis=0), (2.4 * belly, height / 2, belly)) for mesh in (body, *hoops)]
    return [[body, lying[0]], [*hoops, *lying[1:]]]


def bell(rng: Generator) -> Groups:
    """A church bell on a trestle."""
    flare = rng.uniform(0.42, 0.52)
    body = lathe([(flare, 0.3), (flare * 0.8, 0.4), (flare * 0.6, 0.7), (flare * 0.52, 0.95), (0.05, 1.05)], 16)
    frame = [rod((0.0, s * 0.75, 0.0), (0.0, s * 0.6, 1.25), 0.06) for s in (-1, 1)]
    frame += [box((0.14, 1.5, 0.14), (0.0, 0.0, 1.2)), *[block((0.8, 0.12, 0.1), y=s * 0.75) for s in (-1, 1)]]
    return [[body], frame]


def satellite_dish(rng: Generator) -> Groups:
    """A parabolic dish on a mast."""
    radius, depth = rng.uniform(0.6, 0.9), rng.uniform(0.15, 0.3)
    rim = np.linspace(0.05, 1.0, 5)
    profile = [(radius * float(r), depth * float(r) ** 2) for r in rim]
    dish = lathe([*profile, *[(radius * float(r) * 0.98, depth * float(r) ** 2 + 0.02) for r in rim[::-1]]], 16)
    tilt = rng.uniform(0.6, 1.2)
    feet = [(radius * 0.8 * float(np.cos(a)), radius * 0.8 * float(np.sin(a)), depth * 0.7) for a in (0.0, 2.1, 4.2)]
    arms = [rod(foot, (0, 0, radius), 0.015) for foot in feet]
    raised = [moved(turned(mesh, tilt, axis=1), (0.0, 0.0, 1.1)) for mesh in (dish, *arms)]
    return [[raised[0]], [*raised[1:], cylinder(0.06, 1.1, 8), cylinder(0.35, 0.06, 10)]]


def tent(rng: Generator) -> Groups:
    """A ridge tent with an open front and poles."""
    width, length, height = rng.uniform(1.2, 1.8), rng.uniform(1.6, 2.3), rng.uniform(0.9, 1.3)
    half, thick = width / 2, 0.04
    outline = [(-half, 0.0), (-half + 0.06, 0.0), (0.0, height - 0.08), (half - 0.06, 0.0), (half, 0.0), (0.0, height)]
    roof = standing(extrude(outline, length))
    back = moved(standing(extrude([(-half, 0.0), (half, 0.0), (0.0, height)], thick)), (0.0, length / 2, 0.0))
    poles = [rod((0.0, s * length / 2, 0.0), (0.0, s * length / 2, height + 0.12), 0.025) for s in (-1, 1)]
    for s, y in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        high, low = (s * half * 0.6, y * length / 2, height * 0.45), (s * (half + 0.5), y * length / 2, 0.0)
        poles.append(rod(high, low, 0.01, sides=4))
    return [[roof, back], poles]


def knot(rng: Generator) -> Groups:
    """A torus knot: a pretzel or a modern sculpture."""
    turns = int(rng.choice((3, 5)))
    t = np.linspace(0, 2 * np.pi, 72)
    reach = 0.55 + 0.24 * np.cos(turns * t)
    path = np.stack([reach * np.cos(2 * t), reach * np.sin(2 * t), 0.24 * np.sin(turns * t)], axis=1)
    ring = tube(path, rng.uniform(0.06, 0.11), 7)
    return [[turned(ring, np.pi / 2 * float(rng.integers(2)), axis=0)]]


def chess_piece(rng: Generator) -> Groups:
    """A king, queen or bishop as tall as a child."""
    foot, waist = rng.uniform(0.27, 0.40), rng.uniform(0.09, 0.16)
    lower = [(foot, 0.0), (foot, 0.1), (foot * 0.6, 0.18), (waist, 0.6), (waist * 0.95, 0.85)]
    upper = [(0.2, 0.9), (0.1, 0.95), (0.2, 1.15), (0.16, 1.18), (0.04, 1.25)]
    body = lathe(lower + upper, 14)
    style = int(rng.integers(3))
    if style == 0:
        return [[body], [box((0.05, 0.05, 0.26), (0, 0, 1.36)), box((0.05, 0.18, 0.05), (0, 0, 1.4))]]
    if style == 1:
        spikes = []
        for a in np.arange(8) * np.pi / 4:
            x, y = float(np.cos(a)), float(np.sin(a))
            spikes.append(rod((0.17 * x, 0.17 * y, 1.12), (0.22 * x, 0.22 * y, 1.32), 0.04, 0.01, 4))
        return [[body, *spikes]]
    return [[body], [moved(torus(r, t, 14, 5), (0.0, 0.0, z)) for r, t, z in ((0.13, 0.03, 0.9), (0.26, 0.04, 0.14))]]


def wrecked_bicycle(rng: Generator) -> Groups:
    """Bent wheels and a twisted frame of wire."""
    wheels = []
    for x in (-0.5, 0.5):
        ring = turned(torus(0.32, 0.025, 18, 5), np.pi / 2 + rng.uniform(-0.5, 0.5), axis=0)
        wheels.append(moved(turned(ring, rng.uniform(-0.6, 0.6)), (x, 0.0, 0.33)))
    points = np.array([[-0.5, 0, 0.33], [-0.15, 0, 0.3], [-0.25, 0, 0.75], [0.3, 0, 0.72], [0.5, 0, 0.33]])
    points = points + rng.normal(0, 0.08, (5, 3))
    links = ((0, 1), (1, 2), (0, 2), (2, 3), (1, 3), (3, 4))
    frame = [tube(points[list(link)], 0.025, 5) for link in links]
    bar = tube([points[3], points[3] + [0.05, 0.1, 0.2], points[3] + [-0.05, 0.35, 0.22]], 0.02, 5)
    return [frame, [*wheels, bar]]


def truss(rng: Generator) -> Groups:
    """A crane's lattice segment, lying or standing."""
    length, side, bays = rng.uniform(1.8, 2.6), rng.uniform(0.35, 0.5), int(rng.integers(4, 7))
    corners = [(-side / 2, 0.0), (side / 2, 0.0), (side / 2, side), (-side / 2, side)]
    chords = [rod((0.0, y, z), (length, y, z), 0.03) for y, z in corners]
    braces = []
    for i in range(bays):
        a, b = length * i / bays, length * (i + 1) / bays
        for (ay, az), (by, bz) in zip(corners, [*corners[1:], corners[0]], strict=True):
            braces += [rod((a, ay, az), (b, by, bz), 0.016, sides=4), rod((a, ay, az), (a, by, bz), 0.016, sides=4)]
    return [chords, braces]


def swing(rng: Generator) -> Groups:
    """A playground swing."""
    height, width = rng.uniform(1.6, 2.1), rng.uniform(1.4, 2.0)
    legs = [rod((x * 0.6, y * width / 2, 0.0), (0.0, y * width / 2, height), 0.045) for x in (-1, 1) for y in (-1, 1)]
    beam = rod((0.0, -width / 2 - 0.1, height), (0.0, width / 2 + 0.1, height), 0.05)
    ropes = [rod((0.0, y, height), (rng.uniform(-0.3, 0.3), y, 0.5), 0.015, sides=4) for y in (-0.25, 0.25)]
    return [[*legs, beam], [*ropes, block((0.2, 0.55, 0.04), z=0.48)]]


def sailing_boat(rng: Generator) -> Groups:
    """A small boat with mast and sail."""
    deck = [(-1.0, -0.35), (0.3, -0.38), (1.0, 0.0), (0.3, 0.38), (-1.0, 0.35)]
    boat = extrude(deck, 0.3)
    boat.vertices_m[:5, :2] *= 0.65
    height = rng.uniform(1.2, 1.8)
    sail = standing(extrude([(-0.75, 0.55), (0.1, 0.5), (0.12, height + 0.3)], 0.02))
    mast, boom = rod((0.15, 0, 0.2), (0.15, 0, height + 0.5), 0.035), rod((0.15, 0, 0.5), (-0.8, 0, 0.55), 0.025)
    return [[boat, sail], [mast, boom]]


def playground_slide(rng: Generator) -> Groups:
    """A playground slide with its ladder."""
    x = np.linspace(-1.0, 1.0, 9)
    z = 1.2 * (1 - (x + 1) / 2) ** rng.uniform(0.9, 1.5) + 0.08
    bed = patch(np.stack([x, x], axis=1), np.stack([-0.25 + 0 * x, 0.25 + 0 * x], axis=1), np.stack([z, z], axis=1))
    rails = [tube(np.stack([x, s * 0.27 + 0 * x, z + 0.08], axis=1), 0.06, 5) for s in (-1, 1)]
    rungs = [(-1.05 - 0.3 * (1 - h), h * 1.2) for h in (0.2, 0.45, 0.7, 0.95)]
    steps = [rod((x, -0.22, z), (x, 0.22, z), 0.03) for x, z in rungs]
    posts = [rod((-1.35, s * 0.24, 0.0), (-1.0, s * 0.24, 1.7), 0.035) for s in (-1, 1)]
    return [[bed, *rails], steps + posts]
