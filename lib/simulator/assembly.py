"""Objects of several materials, and merging them into few parts of a scene."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeVar

import numpy as np
from numpy.random import Generator

from lib.simulator.scene import Actor, Material, Motion, Part
from lib.simulator.shapes import Float, Mesh, merge, scaled


@dataclass(frozen=True, eq=False)
class Piece:
    """A mesh with one material and class, in its object's frame: origin on the ground, x forward [m]."""

    mesh: Mesh
    material: Material
    class_id: int


T = TypeVar("T")
Object = tuple[Piece, ...]
Groups = list[list[Mesh]]
"""An object's meshes by material: the main surface first, then accents."""


def weighted(rng: Generator, choices: Sequence[tuple[float, T]]) -> T:
    """Draw one of the choices (weight, choice)."""
    weights = np.array([weight for weight, _ in choices])
    return choices[int(rng.choice(len(choices), p=weights / weights.sum()))][1]


def pieces(class_id: int, *meshes_by_material: tuple[Material, list[Mesh]]) -> Object:
    """An object of one class, with one merged mesh per material; materials without a mesh are skipped."""
    return tuple(Piece(merge(meshes), material, class_id) for material, meshes in meshes_by_material if meshes)


def bounds(thing: Object) -> tuple[Float, Float]:
    """Lowest and highest corner (3,) of an object [m]."""
    vertices = np.concatenate([piece.mesh.vertices_m for piece in thing])
    return vertices.min(axis=0), vertices.max(axis=0)


def resized(thing: Object, factor: float) -> Object:
    """The object scaled about its origin."""
    return tuple(replace(piece, mesh=scaled(piece.mesh, (factor, factor, factor))) for piece in thing)


def posed(thing: Object, x: float, y: float, yaw_rad: float = 0.0, z: float = 0.0) -> Object:
    """The object turned about the vertical and moved to x, y, z."""
    cosine, sine = math.cos(yaw_rad), math.sin(yaw_rad)
    old = np.concatenate([piece.mesh.vertices_m for piece in thing])
    new = np.empty_like(old)
    new[:, 0] = cosine * old[:, 0] - sine * old[:, 1] + x
    new[:, 1] = sine * old[:, 0] + cosine * old[:, 1] + y
    new[:, 2] = old[:, 2] + z
    ends = list(accumulate(len(piece.mesh.vertices_m) for piece in thing))
    return tuple(
        Piece(Mesh(new[start:end], piece.mesh.faces), piece.material, piece.class_id)
        for piece, start, end in zip(thing, [0, *ends], ends, strict=False)
    )


def part(mesh: Mesh, material: Material, class_id: int, instance_id: int) -> Part:
    """A part of a scene from a mesh."""
    vertices = np.ascontiguousarray(mesh.vertices_m, dtype=np.float32)
    return Part(vertices, np.ascontiguousarray(mesh.faces, dtype=np.int32), material, class_id, instance_id)


class SceneParts:
    """Collects the pieces of a scene; pieces with the same material, class and instance become one part.

    Instance id 0 is for classes without instances in AnoVox (road, buildings, vegetation ...); objects get 1, 2, 3 ...
    """

    def __init__(self) -> None:
        self._meshes: dict[tuple[Material, int, int], list[Mesh]] = defaultdict(list)
        self._actors: list[Actor] = []
        self._instances = 0

    def next_instance(self) -> int:
        """A new instance id."""
        self._instances += 1
        return self._instances

    def add(self, thing: Iterable[Piece], instance_id: int = 0) -> None:
        """Add pieces given in the world frame."""
        for piece in thing:
            self._meshes[piece.material, piece.class_id, instance_id].append(piece.mesh)

    def add_actor(self, thing: Object, x: float, y: float, yaw_rad: float, speed_mps: float) -> None:
        """Add an object that moves straight ahead from x, y at constant speed."""
        instance = self.next_instance()
        parts = tuple(part(piece.mesh, piece.material, piece.class_id, instance) for piece in thing)
        self._actors.append(Actor(parts, (x, y), yaw_rad, speed_mps))

    def add_moving(self, thing: Object, motion: Motion) -> Actor:
        """Add an object that moves as `motion` says; returns it."""
        instance = self.next_instance()
        parts = tuple(part(piece.mesh, piece.material, piece.class_id, instance) for piece in thing)
        x, y = motion.xy_m[0].tolist()
        self._actors.append(Actor(parts, (x, y), float(motion.yaw_rad[0]), 0.0, motion))
        return self._actors[-1]

    @property
    def actors(self) -> tuple[Actor, ...]:
        """The moving objects."""
        return tuple(self._actors)

    def static_parts(self) -> tuple[Part, ...]:
        """All parts that do not move."""
        return tuple(
            part(merge(meshes), material, class_id, instance)
            for (material, class_id, instance), meshes in self._meshes.items()
        )
