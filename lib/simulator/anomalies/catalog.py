"""The catalogue of anomalies: families, their kinds and sizes, and how they are built.

`geometry` and `both` use all families of unusual shapes; `appearance` uses thin sheets on the ground, and normal
objects of about the wanted size with an unusual surface.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.random import Generator

from lib.common.labels import ANOMALY_SIZES
from lib.simulator import clutter, furniture, people, vehicles
from lib.simulator.anomalies import aircraft, animals, falling, home, nature, sheets, special
from lib.simulator.anomalies.anomaly_surfaces import camouflage, pattern, sheet_material, unusual
from lib.simulator.assembly import Groups, Object, Piece, bounds, posed, resized
from lib.simulator.materials import BLACK_PLASTIC, CHROME, GLASS, HEADLIGHT, NUMBER_PLATE, RIM, TAIL_LIGHT, TYRE, chance
from lib.simulator.scene import Texture
from lib.simulator.shapes import Float, extrude, merge, turned

HOME, ANIMAL, NATURE, SPECIAL, AIRPLANE, FALLING = range(29, 35)
_NOT_REPAINTED: Final = frozenset((GLASS, TYRE, RIM, HEADLIGHT, TAIL_LIGHT, NUMBER_PLATE, BLACK_PLASTIC, CHROME))
_GROUND_REFLECTIVITY: Final = 0.2

_SHAPES: Final[dict[int, tuple[Callable[[Generator], Groups], ...]]] = {
    HOME: (
        home.chair, home.table, home.wardrobe, home.fridge, home.shelf, home.floor_lamp, home.vase, home.umbrella,
        home.pram, home.sofa, home.bed, home.piano, home.bathtub, home.washing_machine,
    ),
    ANIMAL: (
        animals.deer, animals.cow, animals.horse, animals.dog, animals.giraffe, animals.elephant, animals.wading_bird,
        animals.snake, animals.spider, animals.crocodile,
    ),
    NATURE: (
        nature.fallen_tree, nature.branch_pile, nature.slab_rocks, nature.coral, nature.mushroom, nature.tree_stump,
        nature.pumpkin, nature.giant_flower, nature.cactus,
    ),
    SPECIAL: (
        special.tyre_stack, special.pipe_pile, special.letters, special.star, special.gear, special.arrow,
        special.scaffold, special.barrel, special.bell, special.satellite_dish, special.tent, special.knot,
        special.wrecked_bicycle, special.swing, special.sailing_boat, special.playground_slide, special.spring,
        special.chess_piece, special.truss,
    ),
    AIRPLANE: (
        aircraft.airplane, aircraft.helicopter, aircraft.kite, aircraft.drone, aircraft.hang_glider, aircraft.rocket,
        aircraft.plane_tail,
    ),
    FALLING: (
        falling.ladder, falling.pallets, falling.cable_reel, falling.anchor, falling.timber_load, falling.straw_roll,
        falling.chain, falling.steel_beams, falling.container_frame, falling.roof_antenna,
    ),
}  # fmt: skip
_MAY_TOPPLE: Final = (
    home.chair, home.table, home.wardrobe, home.fridge, home.shelf, home.floor_lamp, home.vase, home.umbrella,
    home.pram, nature.cactus, special.spring, special.chess_piece, special.truss,
)  # fmt: skip
SHAPES: Final = {build.__name__: (class_id, build) for class_id, builds in _SHAPES.items() for build in builds}
"""Families of unusual shapes: class id and how to build one."""
_SHEETS: Final[dict[int, tuple[Callable[[Generator], list[Float]], ...]]] = {
    HOME: (sheets.carpet, sheets.round_rug, sheets.towels),
    SPECIAL: (sheets.banner, sheets.star_mat, sheets.game_board, sheets.arrow_mat),
    NATURE: (sheets.giant_leaf,),
    ANIMAL: (sheets.animal_hide,),
    AIRPLANE: (sheets.landing_mat,),
    FALLING: (sheets.tarpaulin, sheets.paint_spill),
}
SHEETS: Final = {draw.__name__: (class_id, draw) for class_id, draws in _SHEETS.items() for draw in draws}
"""Families of thin sheets on the ground: class id and how to draw the outlines of one."""
BODIES: Final[dict[str, tuple[Callable[[Generator], Object], tuple[str, ...]]]] = {
    "painted_cone": (furniture.traffic_cone, ("Tiny", "Small")),
    "painted_carton": (clutter.carton, ("Tiny",)),
    "painted_hydrant": (furniture.hydrant, ("Tiny", "Small")),
    "painted_bollard": (furniture.bollard, ("Small",)),
    "painted_bin": (furniture.bin_, ("Small",)),
    "painted_wheelie_bin": (furniture.wheelie_bin, ("Small", "Medium")),
    "painted_letter_box": (furniture.mailbox, ("Medium",)),
    "painted_planter": (furniture.planter, ("Medium",)),
    "painted_bench": (furniture.bench, ("Medium", "Big")),
    "painted_barrier": (furniture.barrier, ("Medium", "Big")),
    "painted_person": (people.pedestrian, ("Big",)),
    "painted_motorcycle": (people.motorcycle, ("Big",)),
    "painted_column": (furniture.advert_column, ("Big", "Huge")),
    "painted_shelter": (furniture.bus_shelter, ("Huge",)),
    "painted_car": (vehicles.hatchback, ("Huge",)),
}
"""Normal objects that get an unusual surface: how to build one, and the sizes it comes in."""


def families(kind: str, size: str) -> tuple[str, ...]:
    """Names of the families for a kind and size."""
    assert size in ANOMALY_SIZES
    if kind == "appearance":
        return (*SHEETS, *(name for name, (_, sizes) in BODIES.items() if size in sizes))
    return tuple(SHAPES)


def build_anomaly(kind: str, family: str, extent_m: float, rng: Generator) -> Object:
    """An anomaly standing on z = 0 around the origin, its largest extent along x, y or z as given [m]."""
    if kind != "appearance":
        thing = _standing(family, kind, extent_m, rng)
    else:
        thing = _lying(family, extent_m, rng) if family in SHEETS else _painted(family, extent_m, rng)
    low, high = bounds(thing)
    thing = resized(thing, extent_m / float((high - low).max()))
    low, high = bounds(thing)
    return posed(thing, -float(low[0] + high[0]) / 2, -float(low[1] + high[1]) / 2, 0.0, -float(low[2]))


def _standing(family: str, kind: str, extent_m: float, rng: Generator) -> Object:
    class_id, build = SHAPES[family]
    meshes = [merge(group) for group in build(rng)]
    if build in _MAY_TOPPLE and chance(rng, 0.3):
        meshes = [turned(mesh, np.pi / 2, axis=0) for mesh in meshes]
    materials = [camouflage()] * len(meshes) if kind == "geometry" else unusual(rng, extent_m, len(meshes))
    return tuple(Piece(mesh, material, class_id) for mesh, material in zip(meshes, materials, strict=True))


def _lying(family: str, extent_m: float, rng: Generator) -> Object:
    class_id, draw = SHEETS[family]
    outlines = draw(rng)
    scale = extent_m / np.ptp(np.concatenate(outlines), axis=0).max()
    thick = float(rng.uniform(0.005, 0.010))
    flat = merge([extrude(outline * scale, thick) for outline in outlines])
    return (Piece(flat, sheet_material(rng, extent_m, _GROUND_REFLECTIVITY), class_id),)


def _painted(family: str, extent_m: float, rng: Generator) -> Object:
    """Repaint an object but keep its LiDAR reflectivity, so that only the camera can detect it."""
    paint = pattern(rng, extent_m, 0.4)
    repainted = []
    for piece in BODIES[family][0](rng):
        material = piece.material
        if material not in _NOT_REPAINTED and material.texture != Texture.FOLIAGE:
            material = replace(paint, lidar_reflectivity=material.lidar_reflectivity)
        repainted.append(replace(piece, class_id=SPECIAL, material=material))
    return tuple(repainted)
