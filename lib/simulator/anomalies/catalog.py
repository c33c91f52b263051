"""The catalogue of anomalies: families, their kinds and sizes, and how they are built.

`geometry` and `both` use all families of unusual shapes; `appearance` uses thin sheets on the ground, and normal
objects of about the wanted size with an unusual surface.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lib.common.labels import ANOMALY_SIZES
from lib.simulator import clutter, furniture, people, vehicles
from lib.simulator.anomalies import aircraft, animals, falling, home, nature, sheets, special
from lib.simulator.anomalies.anomaly_surfaces import camouflage, pattern, sheet_material, unusual
from lib.simulator.assembly import Object, Piece, bounds, posed, resized
from lib.simulator.materials import BLACK_PLASTIC, CHROME, GLASS, HEADLIGHT, NUMBER_PLATE, RIM, TAIL_LIGHT, TYRE, chance
from lib.simulator.scene import Texture
from lib.simulator.shapes import Float, Mesh, extrude, merge, turned

Generator = np.random.Generator
HOME, ANIMAL, NATURE, SPECIAL, AIRPLANE, FALLING = range(29, 35)
_NOT_REPAINTED: Final = frozenset((GLASS, TYRE, RIM, HEADLIGHT, TAIL_LIGHT, NUMBER_PLATE, BLACK_PLASTIC, CHROME))
_GROUND_REFLECTIVITY: Final = 0.2


@dataclass(frozen=True)
class Shape:
    """A family of unusual shapes: its class, its meshes by material, whether it may lie on its side."""

    name: str
    class_id: int
    build: Callable[[Generator], list[list[Mesh]]]
    topples: bool = False


@dataclass(frozen=True)
class Sheet:
    """A family of thin sheets on the ground: its class and outlines."""

    name: str
    class_id: int
    outlines: Callable[[Generator], list[Float]]


@dataclass(frozen=True)
class Body:
    """A normal object that gets an unusual surface, and the sizes it comes in."""

    name: str
    build: Callable[[Generator], Object]
    sizes: tuple[str, ...]


SHAPES: Final = (
    *(
        Shape(f.__name__, HOME, f, topples=True)
        for f in (home.chair, home.table, home.wardrobe, home.fridge, home.shelf)
    ),
    *(Shape(f.__name__, HOME, f, topples=True) for f in (home.floor_lamp, home.vase, home.umbrella, home.pram)),
    *(Shape(f.__name__, HOME, f) for f in (home.sofa, home.bed, home.piano, home.bathtub, home.washing_machine)),
    *(Shape(f.__name__, ANIMAL, f) for f in (animals.deer, animals.cow, animals.horse, animals.dog, animals.giraffe)),
    *(Shape(f.__name__, ANIMAL, f) for f in (animals.elephant, animals.wading_bird, animals.snake, animals.spider)),
    Shape("crocodile", ANIMAL, animals.crocodile),
    *(Shape(f.__name__, NATURE, f) for f in (nature.fallen_tree, nature.branch_pile, nature.slab_rocks, nature.coral)),
    *(Shape(f.__name__, NATURE, f) for f in (nature.mushroom, nature.tree_stump, nature.pumpkin, nature.giant_flower)),
    Shape("cactus", NATURE, nature.cactus, topples=True),
    *(Shape(f.__name__, SPECIAL, f) for f in (special.tyre_stack, special.pipe_pile, special.letters, special.star)),
    *(Shape(f.__name__, SPECIAL, f) for f in (special.gear, special.arrow, special.scaffold, special.barrel)),
    *(Shape(f.__name__, SPECIAL, f) for f in (special.bell, special.satellite_dish, special.tent, special.knot)),
    *(Shape(f.__name__, SPECIAL, f) for f in (special.wrecked_bicycle, special.swing, special.sailing_boat)),
    Shape("playground_slide", SPECIAL, special.playground_slide),
    *(Shape(f.__name__, SPECIAL, f, topples=True) for f in (special.spring, special.chess_piece, special.truss)),
    *(Shape(f.__name__, AIRPLANE, f) for f in (aircraft.airplane, aircraft.helicopter, aircraft.kite, aircraft.drone)),
    *(Shape(f.__name__, AIRPLANE, f) for f in (aircraft.hang_glider, aircraft.rocket, aircraft.plane_tail)),
    *(Shape(f.__name__, FALLING, f) for f in (falling.ladder, falling.pallets, falling.cable_reel, falling.anchor)),
    *(Shape(f.__name__, FALLING, f) for f in (falling.timber_load, falling.straw_roll, falling.chain)),
    *(Shape(f.__name__, FALLING, f) for f in (falling.steel_beams, falling.container_frame, falling.roof_antenna)),
)
SHEETS: Final = (
    *(Sheet(f.__name__, HOME, f) for f in (sheets.carpet, sheets.round_rug, sheets.towels)),
    *(Sheet(f.__name__, SPECIAL, f) for f in (sheets.banner, sheets.star_mat, sheets.game_board, sheets.arrow_mat)),
    Sheet("giant_leaf", NATURE, sheets.giant_leaf),
    Sheet("animal_hide", ANIMAL, sheets.animal_hide),
    Sheet("landing_mat", AIRPLANE, sheets.landing_mat),
    *(Sheet(f.__name__, FALLING, f) for f in (sheets.tarpaulin, sheets.paint_spill)),
)
BODIES: Final = (
    Body("painted_cone", furniture.traffic_cone, ("Tiny", "Small")),
    Body("painted_carton", clutter.carton, ("Tiny",)),
    Body("painted_hydrant", furniture.hydrant, ("Tiny", "Small")),
    Body("painted_bollard", furniture.bollard, ("Small",)),
    Body("painted_bin", furniture.bin_, ("Small",)),
    Body("painted_wheelie_bin", furniture.wheelie_bin, ("Small", "Medium")),
    Body("painted_letter_box", furniture.mailbox, ("Medium",)),
    Body("painted_planter", furniture.planter, ("Medium",)),
    Body("painted_bench", furniture.bench, ("Medium", "Big")),
    Body("painted_barrier", furniture.barrier, ("Medium", "Big")),
    Body("painted_person", people.pedestrian, ("Big",)),
    Body("painted_motorcycle", people.motorcycle, ("Big",)),
    Body("painted_column", furniture.advert_column, ("Big", "Huge")),
    Body("painted_shelter", furniture.bus_shelter, ("Huge",)),
    Body("painted_car", vehicles.hatchback, ("Huge",)),
)


def families(kind: str, size: str) -> tuple[str, ...]:
    """Names of the families for a kind and size."""
    assert size in ANOMALY_SIZES
    if kind == "appearance":
        return tuple(sheet.name for sheet in SHEETS) + tuple(body.name for body in BODIES if size in body.sizes)
    return tuple(shape.name for shape in SHAPES)


def build_anomaly(kind: str, family: str, extent_m: float, rng: Generator) -> Object:
    """An anomaly standing on z = 0 around the origin, its largest extent along x, y or z as given [m]."""
    if kind == "appearance":
        sheet = next((sheet for sheet in SHEETS if sheet.name == family), None)
        if sheet is not None:
            return _lying(sheet, extent_m, rng)
        return _painted(next(body for body in BODIES if body.name == family), extent_m, rng)
    return _standing(next(shape for shape in SHAPES if shape.name == family), kind, extent_m, rng)


def _standing(shape: Shape, kind: str, extent_m: float, rng: Generator) -> Object:
    groups = [merge(meshes) for meshes in shape.build(rng)]
    if shape.topples and chance(rng, 0.3):
        groups = [turned(mesh, np.pi / 2, axis=0) for mesh in groups]
    materials = [camouflage()] * len(groups) if kind == "geometry" else unusual(rng, extent_m, len(groups))
    return fitted(
        tuple(Piece(mesh, material, shape.class_id) for mesh, material in zip(groups, materials, strict=True)), extent_m
    )


def _lying(sheet: Sheet, extent_m: float, rng: Generator) -> Object:
    outlines = sheet.outlines(rng)
    size = np.ptp(np.concatenate(outlines), axis=0).max()
    thick = float(rng.uniform(0.005, 0.010))
    flat = merge([extrude(outline * (extent_m / size), thick) for outline in outlines])
    return fitted((Piece(flat, sheet_material(rng, extent_m, _GROUND_REFLECTIVITY), sheet.class_id),), extent_m)


def _painted(body: Body, extent_m: float, rng: Generator) -> Object:
    """Repaint an object but keep its LiDAR reflectivity, so that only the camera can detect it."""
    material = pattern(rng, extent_m, 0.4)
    return fitted(
        tuple(
            replace(
                piece,
                class_id=SPECIAL,
                material=piece.material
                if piece.material in _NOT_REPAINTED or piece.material.texture == Texture.FOLIAGE
                else replace(material, lidar_reflectivity=piece.material.lidar_reflectivity),
            )
            for piece in body.build(rng)
        ),
        extent_m,
    )


def fitted(thing: Object, extent_m: float) -> Object:
    """Scale an object to the largest extent and centre it on z = 0."""
    low, high = bounds(thing)
    thing = resized(thing, extent_m / float((high - low).max()))
    low, high = bounds(thing)
    return posed(thing, -float(low[0] + high[0]) / 2, -float(low[1] + high[1]) / 2, 0.0, -float(low[2]))
