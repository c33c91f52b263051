"""The anomalies: families, which kinds and sizes they serve, and how they are built.

`geometry` and `both` take any family of unusual shapes; `appearance` takes thin sheets, and normal things' bodies of
the wanted size, in an unusual look.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from lib.simulator.anomalies import home
from lib.simulator.anomalies.looks import camouflage, unusual
from lib.simulator.assembly import Object, Piece, bounds, posed, resized
from lib.simulator.shapes import Mesh, merge, scaled

Generator = np.random.Generator
HOME: Final = 29


@dataclass(frozen=True)
class Shape:
    """A family of unusual shapes: its class and its meshes by material."""

    name: str
    class_id: int
    build: Callable[[Generator], list[list[Mesh]]]


SHAPES: Final = (
    Shape("sofa", HOME, home.sofa),
    Shape("table", HOME, home.table),
    Shape("chair", HOME, home.chair),
)


def families(kind: str, size: str) -> tuple[str, ...]:
    """Names of the families that serve a kind and size."""
    return tuple(shape.name for shape in SHAPES)


def build_anomaly(kind: str, family: str, extent_m: float, rng: Generator) -> Object:
    """An anomaly standing on z = 0 around the origin, its largest extent along x, y or z as given [m]."""
    shape = next(shape for shape in SHAPES if shape.name == family)
    groups = shape.build(rng)
    looks = [camouflage()] * len(groups) if kind == "geometry" else unusual(rng, extent_m, len(groups))
    return fitted(
        tuple(Piece(merge(meshes), look, shape.class_id) for meshes, look in zip(groups, looks, strict=True)), extent_m
    )


def fitted(thing: Object, extent_m: float) -> Object:
    """The object scaled to its largest extent and stood in the middle of z = 0."""
    low, high = bounds(thing)
    thing = resized(thing, extent_m / float((high - low).max()))
    low, high = bounds(thing)
    return posed(thing, -(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, 0.0, -low[2])
