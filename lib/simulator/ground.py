"""The street's surfaces: road with markings, kerbs, sidewalks, verges and the land beyond."""

import numpy as np
from numpy.random import Generator

from lib.common.labels import GROUND, ROAD, ROAD_LINE, SIDEWALK, TERRAIN
from lib.simulator.assembly import Piece, SceneParts, pieces
from lib.simulator.materials import ROAD_PAINT, YELLOW_PAINT, asphalt, chance, kerbstone, lawn, pavement
from lib.simulator.scene import Material
from lib.simulator.shapes import Mesh, box, extrude, merge, patch, turned
from lib.simulator.street import BACK_M, Street, marks, ribbon

LINE_Z_M = 0.004
_FAR_M = 260.0
_ARM_M = 70.0
_KERB_WIDTH_M = 0.15


def add_ground(parts: SceneParts, street: Street, rng: Generator) -> None:
    """Add all surfaces; the road is at z = 0, sidewalks and the land behind them at the kerb's height."""
    road, grass = asphalt(rng), lawn(rng)
    far_m = _FAR_M + street.extra_m
    x, y = np.meshgrid((-far_m, far_m), (-far_m, far_m), indexing="ij")
    parts.add([Piece(patch(x, y, np.full((2, 2), -0.06)), grass, TERRAIN)])
    parts.add(
        [Piece(ribbon(street, BACK_M, street.front_m, [(-street.kerb(-1), 0.0), (street.kerb(1), 0.0)]), road, ROAD)]
    )
    for sign in (-1, 1):
        _add_side(parts, street, sign, rng, grass)
    _add_junction(parts, street, road, rng)
    parts.add(pieces(ROAD_LINE, *_lines(street, rng)))


def _strip(street: Street, sign: int, near: float, far: float, near_z: float, far_z: float) -> list[Mesh]:
    """A strip of one side between two distances from the centre line, with a gap at the side street."""
    profile = [(sign * near, near_z), (sign * far, far_z)]
    if sign < 0:
        profile.reverse()
    return [ribbon(street, start, end, profile) for start, end in street.runs(sign)]


def _add_side(parts: SceneParts, street: Street, sign: int, rng: Generator, grass: Material) -> None:
    kerb, walk, front, high = street.kerb(sign), street.walk_end(sign), street.front(sign), street.kerb_m
    rim = kerb + _KERB_WIDTH_M
    stone = _strip(street, sign, kerb - 1e-3, kerb, 0.0, high) + _strip(street, sign, kerb, rim, high, high)
    verge_material, verge_class = (grass, TERRAIN) if chance(rng, 0.6) else (pavement(rng), GROUND)
    edge = front + 35.0
    far = _strip(street, sign, front, edge, high, high) + _strip(street, sign, edge, front + 36.0, high, -0.06)
    parts.add([Piece(merge(stone), kerbstone(rng), SIDEWALK)])
    parts.add([Piece(merge(_strip(street, sign, rim, walk, high, high)), pavement(rng), SIDEWALK)])
    parts.add([Piece(merge(_strip(street, sign, walk, front, high, high)), verge_material, verge_class)])
    parts.add([Piece(merge(far), grass, TERRAIN)])


def _add_junction(parts: SceneParts, street: Street, road: Material, rng: Generator) -> None:
    if street.junction is None:
        return
    start, end, sign = street.junction
    near, far, rise = street.kerb(sign), street.kerb(sign) + _ARM_M, street.kerb_m
    profile = [(sign * near, 0.0), (sign * far, 0.0)]
    mouth = ribbon(street, start, end, profile if sign > 0 else profile[::-1], 2.0)
    parts.add([Piece(mouth, road, ROAD)])
    middle = (near + street.front(sign) + 35.0) / 2
    stone = box((_KERB_WIDTH_M, 2 * (middle - near), rise + 0.01), (0.0, 0.0, rise / 2))
    corners = start - _KERB_WIDTH_M / 2, end + _KERB_WIDTH_M / 2
    stones = [street.placed(stone, s, sign * middle) for s in corners]
    parts.add([Piece(merge(stones), kerbstone(rng), SIDEWALK)])
    low, high = sorted((sign * near, sign * (near + 0.3)))
    give_way = marks(street, np.arange(start + 0.4, end - 0.4, 0.9), 0.5, low, high, LINE_Z_M)
    parts.add(pieces(ROAD_LINE, (ROAD_PAINT, give_way)))


def _lines(street: Street, rng: Generator) -> list[tuple[Material, list[Mesh]]]:
    """All road lines, by paint."""
    center_paint = YELLOW_PAINT if chance(rng, 0.3) else ROAD_PAINT
    bare = street.right_lanes == street.left_lanes == 1 and chance(rng, 0.12)
    center = [] if bare else _center_line(street, rng)
    white: list[Mesh] = []
    for sign, lanes in ((-1, street.right_lanes), (1, street.left_lanes)):
        for lane in range(1, lanes):
            d = sign * lane * street.lane_m
            white += marks(street, np.arange(BACK_M, street.front_m, 9.0), 3.0, d - 0.06, d + 0.06, LINE_Z_M)
        edge = sign * street.lanes_end(sign)
        if street.side(sign).parking_m:
            white += _bay_lines(street, sign, rng)
        elif chance(rng, 0.5):
            inner = edge - sign * 0.35
            white.append(ribbon(street, BACK_M, street.front_m, [(inner - 0.06, LINE_Z_M), (inner + 0.06, LINE_Z_M)]))
    white += _crossing(street, rng)
    return [(ROAD_PAINT, white), (center_paint, center)]


def _center_line(street: Street, rng: Generator) -> list[Mesh]:
    style = int(rng.integers(3))
    if style == 0:
        return marks(street, np.arange(BACK_M, street.front_m, 9.0), 4.0, -0.07, 0.07, LINE_Z_M)
    offsets = (0.0,) if style == 1 else (-0.14, 0.14)
    return [ribbon(street, BACK_M, street.front_m, [(d - 0.06, LINE_Z_M), (d + 0.06, LINE_Z_M)]) for d in offsets]


def _bay_lines(street: Street, sign: int, rng: Generator) -> list[Mesh]:
    """The parking lane's border: a line, with or without bays, or nothing."""
    edge, kerb = sign * street.lanes_end(sign), sign * street.kerb(sign)
    style = int(rng.integers(3))
    if style == 0:
        return []
    lines = [ribbon(street, BACK_M, street.front_m, [(edge - 0.05, LINE_Z_M), (edge + 0.05, LINE_Z_M)])]
    if style == 2:
        lines += marks(
            street, np.arange(-42.0, 90.0 + street.extra_m, 6.0), 0.1, min(edge, kerb), max(edge, kerb), LINE_Z_M
        )
    return lines


def _crossing(street: Street, rng: Generator) -> list[Mesh]:
    """A zebra crossing with stop lines, on 35 % of the streets."""
    if not chance(rng, 0.35):
        return []
    start = float(rng.uniform(5.0, 45.0))
    low, high = -street.kerb(-1) + 0.3, street.kerb(1) - 0.3
    stripes = []
    for d in np.arange(low, high - 0.5, 1.0).tolist():
        stripes += marks(street, np.array([start]), 3.0, d, d + 0.5, LINE_Z_M)
    stripes += marks(street, np.array([start - 1.4]), 0.4, -street.lanes_end(-1) + 0.2, -0.2, LINE_Z_M)
    return stripes + marks(street, np.array([start + 4.0]), 0.4, 0.2, street.lanes_end(1) - 0.2, LINE_Z_M)


_ARROW = ((-0.08, 0.0), (0.08, 0.0), (0.08, 1.8), (0.35, 1.8), (0.0, 2.8), (-0.35, 1.8), (-0.08, 1.8))
_TURN = (
    (-0.08, 0.0), (0.08, 0.0), (0.08, 1.5), (0.55, 1.5), (0.55, 1.2), (1.1, 1.65), (0.55, 2.1), (0.55, 1.8),
    (-0.08, 1.8),
)  # fmt: skip
_DIAMOND = ((0.0, 0.0), (0.45, 1.2), (0.0, 2.4), (-0.45, 1.2))
_LETTERS = (
    ((0, 0), (0.5, 0), (0.5, 0.25), (0.2, 0.25), (0.2, 1.6), (0, 1.6)),
    ((0.2, 0), (0.4, 0), (0.4, 1.35), (0.6, 1.35), (0.6, 1.6), (0, 1.6), (0, 1.35), (0.2, 1.35)),
    ((0, 0), (0.6, 0), (0.6, 1.6), (0.4, 1.6), (0.4, 0.25), (0.2, 0.25), (0.2, 1.6), (0, 1.6)),
    (
        (0, 0), (0.55, 0), (0.55, 0.25), (0.2, 0.25), (0.2, 0.7), (0.45, 0.7),
        (0.45, 0.9), (0.2, 0.9), (0.2, 1.35), (0.55, 1.35), (0.55, 1.6), (0, 1.6),
    ),
)  # fmt: skip


def road_sign_paint(rng: Generator) -> Piece:
    """An arrow, a diamond or a word painted on a lane, its foot at the origin, read along x."""
    style = int(rng.integers(4))
    if style == 3:
        letters = rng.integers(len(_LETTERS), size=3).tolist()
        outlines = [[(x + 0.75 * i - 1.05, y) for x, y in _LETTERS[letter]] for i, letter in enumerate(letters)]
    else:
        outlines = [list((_ARROW, _TURN, _DIAMOND)[style])]
    flat = merge([extrude(outline, 0.001, LINE_Z_M) for outline in outlines])
    return Piece(turned(flat, -np.pi / 2), ROAD_PAINT, ROAD_LINE)
