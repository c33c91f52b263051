"""Buildings, walls, fences, hedges and guard rails along the street."""

import numpy as np
from numpy.random import Generator

from lib.common.labels import BUILDING, FENCE, GUARD_RAIL, VEGETATION, WALL
from lib.simulator.assembly import Object, Piece, SceneParts, pieces, posed
from lib.simulator.materials import (
    DARK_STEEL,
    GLASS,
    STEEL,
    advert,
    chance,
    darker,
    facade,
    foliage,
    painted_metal,
    plain,
    timber,
    varied,
    wall,
    wall_color,
)
from lib.simulator.scene import Material, Texture
from lib.simulator.shapes import Mesh, Point, block, box, extrude, merge, moved, rough_ball, standing, turned
from lib.simulator.street import BACK_M, Street, ribbon


def add_buildings(parts: SceneParts, street: Street, rng: Generator, density: float) -> None:
    """Add buildings on both sides (on the fraction `density` of the frontage), borders, and a backdrop at the ends."""
    for sign in (-1, 1):
        detached = chance(rng, 0.35)
        for run in street.runs(sign):
            parts.add(_row(street, sign, run, rng, density, detached))
        _add_border(parts, street, sign, rng)
    _add_backdrop(parts, street, rng, density)


def _row(street: Street, sign: int, run: tuple[float, float], rng: Generator, density: float, detached: bool) -> Object:
    """Houses along a run of one side."""
    row: Object = ()
    s = run[0] + float(rng.uniform(0, 3))
    while s < run[1] - 7:
        width = min(float(rng.uniform(8, 13) if detached else rng.uniform(9, 24)), run[1] - s)
        if chance(rng, density):
            thing = house(rng, width) if detached else block_of_flats(rng, width)
            middle = s + width / 2
            setback = float(rng.uniform(0.2, 3.0 if detached else 1.0))
            x, y = street.place(middle, sign * (street.front(sign) + setback))
            row += posed(thing, x, y, street.heading(middle) + (0.0 if sign > 0 else np.pi), street.kerb_m)
        s += width + (float(rng.uniform(2, 7)) if detached or chance(rng, 0.25) else 0.0)
    return row


def block_of_flats(rng: Generator, width_m: float) -> Object:
    """A town house: its front at y = 0, the body behind it (y > 0), x along the street."""
    storeys, depth = int(rng.integers(2, 8)), float(rng.uniform(9, 15))
    front = facade(rng)
    ground_m, height = 3.6, 3.6 + 3.0 * storeys
    trim = plain(darker(front.color, 0.8))
    body = block((width_m, depth, height - ground_m), 0.0, depth / 2, ground_m)
    trims = [
        block((width_m + 0.1, depth + 0.5, 0.35), 0.0, depth / 2, height),
        block((width_m + 0.02, depth + 0.16, 0.3), 0.0, depth / 2, ground_m - 0.15),
    ]
    shop = chance(rng, 0.5)
    base = (wall(rng), [block((width_m, depth, ground_m), 0.0, depth / 2)])
    bays = max(2, round(width_m / 3.5))
    centers = [(-width_m / 2) + (i + 0.5) * width_m / bays for i in range(bays)]
    panes = [box((2.3 if shop else 1.2, 0.06, 2.3 if shop else 1.4), (x, -0.01, 1.6)) for x in centers[1:]]
    door_paint = painted_metal(varied(rng, (0.25, 0.18, 0.14), 0.08))
    door = (door_paint, [box((1.2, 0.08, 2.3), (centers[0], -0.01, 1.15))])
    thing = pieces(BUILDING, (front, [body]), (trim, trims), base, (GLASS, panes), door)
    if shop and chance(rng, 0.6):
        thing += pieces(BUILDING, (advert(rng), [box((width_m * 0.8, 0.10, 0.55), (0.0, -0.05, 3.05))]))
    if shop and chance(rng, 0.3):
        color = wall_color(rng) if chance(rng, 0.5) else varied(rng, (0.5, 0.12, 0.12))
        awning = [box((2.6, 1.1, 0.06), (x, -0.55, 2.75)) for x in centers[1:]]
        thing += pieces(BUILDING, (plain(color), awning))
    if chance(rng, 0.35):
        columns, floors = centers[:: 1 + int(rng.integers(2))], np.arange(ground_m + 3, height - 1.5, 3)
        places = [(x, z) for x in columns for z in floors]
        slabs = [box((2.2, 1.0, 0.14), (x, -0.5, z)) for x, z in places]
        rails = [box((2.2, 0.05, 0.9), (x, -1.0, z + 0.5)) for x, z in places]
        thing += pieces(BUILDING, (trim, slabs), (STEEL, rails)) if places else ()
    return thing


def house(rng: Generator, width_m: float) -> Object:
    """A detached house with a gable roof; front at y = 0, x along the street."""
    depth, eaves = float(rng.uniform(7, 10)), 2.9 * int(rng.integers(1, 3)) + 0.4
    color = wall_color(rng)
    body = block((width_m, depth, eaves), 0.0, depth / 2)
    ridge = eaves + float(rng.uniform(1.8, 3.2))
    across = chance(rng, 0.5)
    span, run = (depth, width_m) if across else (width_m, depth)
    gable = standing(extrude([(-span / 2 - 0.4, eaves), (span / 2 + 0.4, eaves), (0.0, ridge)], run + 0.5))
    roof = moved(turned(gable, np.pi / 2) if across else gable, (0.0, depth / 2, 0.0))
    roof_color = varied(rng, ((0.40, 0.17, 0.12), (0.22, 0.22, 0.24), (0.33, 0.24, 0.18))[int(rng.integers(3))])
    openings, frames = [], []
    for z in np.arange(1.5, eaves - 1.0, 2.9).tolist():
        for x in np.linspace(-width_m * 0.33, width_m * 0.33, 3).tolist():
            openings.append(box((1.0, 0.06, 1.1), (x, -0.02, z)))
            frames.append(box((1.2, 0.04, 1.3), (x, -0.005, z)))
    door = box((1.0, 0.1, 2.1), (width_m * 0.16, -0.03, 1.05))
    chimney = block((0.6, 0.6, 1.4), width_m * 0.2, depth * 0.6, ridge - 1.0)
    texture = Texture.BRICK if chance(rng, 0.3) else Texture.PLAIN
    walls = Material(texture, color, darker(color, 0.75), 0.3), [body, chimney]
    tiles = Material(Texture.BRICK, roof_color, darker(roof_color, 0.7), 0.35), [roof]
    framed = plain(varied(rng, (0.80, 0.80, 0.78))), frames
    return pieces(BUILDING, walls, tiles, (GLASS, openings), framed, (timber(rng), [door]))


def _add_border(parts: SceneParts, street: Street, sign: int, rng: Generator) -> None:
    """Add a border between sidewalk and land: wall, fence, hedge, guard rail at the kerb, or nothing."""
    style = int(rng.choice(6, p=(0.40, 0.14, 0.14, 0.12, 0.12, 0.08)))
    if style == 0:
        return
    d = sign * (street.walk_end(sign) + min(0.4, street.side(sign).verge_m / 2))
    runs = [(a + float(rng.uniform(0, 25)), b - float(rng.uniform(0, 25))) for a, b in street.runs(sign) if b - a > 60]
    for start, end in runs:
        if style == 1:
            height = float(rng.uniform(0.7, 2.2))
            parts.add([Piece(_upright(street, start, end, d, 0.25, height), wall(rng), WALL)])
        elif style == 2:
            parts.add(_rail_fence(street, start, end, d, rng))
        elif style == 3:
            hedge = _upright(street, start, end, d + sign * 0.2, 0.8, float(rng.uniform(0.8, 1.6)))
            parts.add([Piece(hedge, foliage(rng), VEGETATION)])
        elif style == 4:
            parts.add(_board_fence(street, start, end, d, rng))
        else:
            parts.add(_guard_rail(street, start, end, sign * (street.kerb(sign) + 0.35)))


def _upright(
    street: Street, start: float, end: float, d: float, width: float, height: float, foot: float = 0.0
) -> Mesh:
    """A wall-like body along the street, whose bottom is `foot` [m] above the sidewalk."""
    low, high = street.kerb_m + foot - (0.05 if foot == 0 else 0.0), street.kerb_m + foot + height
    a, b = d - width / 2, d + width / 2
    skin = ribbon(street, start, end, [(a, low), (a + 1e-3, high), (b - 1e-3, high), (b, low)], 5.0)
    cap = box((0.02, width, high - low), (0.0, 0.0, (low + high) / 2))
    return merge([skin, *(street.placed(cap, s, d) for s in (start, end))])


def _posts(street: Street, start: float, end: float, d: float, spacing: float, size: Point) -> Mesh:
    post = block(size)
    return merge([street.placed(post, s, d, street.kerb_m) for s in np.arange(start, end, spacing).tolist()])


def _rail_fence(street: Street, start: float, end: float, d: float, rng: Generator) -> list[Piece]:
    """Posts with two to four rails."""
    height = float(rng.uniform(0.9, 1.3))
    material = timber(rng) if chance(rng, 0.5) else painted_metal(varied(rng, (0.20, 0.26, 0.22), 0.08))
    feet = np.linspace(0.25, height - 0.12, int(rng.integers(2, 5)))
    rails = [_upright(street, start, end, d, 0.05, 0.10, foot) for foot in feet]
    posts = _posts(street, start, end, d, 2.2, (0.10, 0.10, height))
    return [Piece(merge([*rails, posts]), material, FENCE)]


def _board_fence(street: Street, start: float, end: float, d: float, rng: Generator) -> list[Piece]:
    """A closed fence of boards between posts; a site hoarding carries posters."""
    height = float(rng.uniform(1.2, 2.0))
    boards = advert(rng) if chance(rng, 0.2) else timber(rng)
    return [
        Piece(_upright(street, start, end, d, 0.05, height - 0.1, 0.08), boards, FENCE),
        Piece(_posts(street, start, end, d, 2.5, (0.12, 0.12, height)), DARK_STEEL, FENCE),
    ]


def _guard_rail(street: Street, start: float, end: float, d: float) -> list[Piece]:
    beam = _upright(street, start, end, d, 0.08, 0.30, 0.45)
    return [Piece(merge([beam, _posts(street, start, end, d, 3.0, (0.12, 0.10, 0.7))]), STEEL, GUARD_RAIL)]


def _add_backdrop(parts: SceneParts, street: Street, rng: Generator, density: float) -> None:
    """Add buildings or woods across both ends of the street, so that the view is closed."""
    for s in (street.front_m + 12.0, BACK_M - 12.0):
        facing = street.heading(s) + (np.pi / 2 if s < 0 else -np.pi / 2)
        if chance(rng, density):
            for d in np.arange(-60.0, 61.0, 24.0).tolist():
                x, y = street.place(s, d)
                parts.add(posed(block_of_flats(rng, float(rng.uniform(18, 24))), x, y, facing, street.kerb_m))
        else:
            crowns = []
            for d in np.arange(-70.0, 71.0, 9.0).tolist():
                x, y = street.place(s, d + float(rng.uniform(-3, 3)))
                height = float(rng.uniform(7, 14))
                crowns.append(rough_ball(rng, (13.0, 13.0, height), (x, y, height * 0.42)))
            parts.add([Piece(merge(crowns), foliage(rng), VEGETATION)])
