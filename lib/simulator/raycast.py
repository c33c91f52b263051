"""Rays against triangles: Intel Embree through embreex's raw scene queries.

Vectors are (3, N) float32 arrays throughout the sensors, one row per axis: NumPy is several times faster on them than
on (N, 3).
"""

import os
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
Indices = npt.NDArray[np.intp] | slice

NO_PART: Final = -1


@dataclass(frozen=True, eq=False)
class Hits:
    """First hits of N rays: distance (N,) float32 in lengths of the ray's direction, inf where nothing was hit;
    part (N,) int32, NO_PART where nothing was hit; normal (3, N) float32, unit, facing the ray's origin.
    """

    distance: Float32
    part: Int32
    normal: Float32

    def nearer(self, other: "Hits") -> "Hits":
        """Of two casts of the same rays, the first hit of either."""
        closer = other.distance < self.distance
        return Hits(
            np.where(closer, other.distance, self.distance),
            np.where(closer, other.part, self.part),
            np.where(closer, other.normal, self.normal),
        )

    def of(self, rays: Indices) -> "Hits":
        """The hits of some of the rays."""
        return Hits(self.distance[rays], self.part[rays], self.normal[:, rays])


class Geometry:
    """A set of triangles that rays are cast at. Built once, never changed."""

    def __init__(self, vertices_m: Float32, faces: Int32, part: Int32) -> None:
        """`vertices_m` (V, 3) [m], any frame; `faces` (T, 3), T > 0; `part` (T,): what Hits.part says of a face."""
        assert len(part) and faces.shape == (len(part), 3) and vertices_m.shape[1:] == (3,)
        _build_on_one_thread()
        self._part = part
        self._scene = EmbreeScene(robust=True)
        TriangleMesh(self._scene, vertices_m, faces)

    def cast(self, origins_m: Float32, directions: Float32) -> Hits:
        """First hits of rays: origins (3, N) or (3, 1), directions (3, N), which need not have unit length."""
        if directions.shape[1] == 0:
            return no_hits(0)
        raw = self._scene.run(*_rows(origins_m, directions), output=1)
        hit = raw["primID"] != -1
        part = np.where(hit, self._part[raw["primID"]], np.int32(NO_PART))
        distance = np.where(hit, raw["tfar"], np.float32(np.inf))
        return Hits(distance, part, _facing(np.ascontiguousarray(raw["Ng"].T), directions))

    def blocked(self, origins_m: Float32, directions: Float32, reach: float) -> npt.NDArray[np.bool_]:
        """Whether anything lies on each ray, up to `reach` lengths of its direction."""
        if directions.shape[1] == 0:
            return np.zeros(0, dtype=bool)
        limits = np.full(directions.shape[1], reach, dtype=np.float32)
        answer = self._scene.run(*_rows(origins_m, directions), dists=limits, query="OCCLUDED")
        return np.asarray(answer != -1)


def no_hits(count: int) -> Hits:
    """The hits of rays that hit nothing."""
    distance = np.full(count, np.inf, dtype=np.float32)
    return Hits(distance, np.full(count, NO_PART, dtype=np.int32), np.zeros((3, count), dtype=np.float32))


def dot(a: Float32, b: Float32) -> Float32:
    """Products (N,) of vectors (3, N), either of which may be a single one (3,) or (3, 1).

    Not by BLAS: its rounding may depend on its threads.
    """
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


def length(vectors: Float32) -> Float32:
    """Lengths (N,) of vectors (3, N)."""
    return np.asarray(np.sqrt(dot(vectors, vectors)), dtype=np.float32)


def _rows(origins_m: Float32, directions: Float32) -> tuple[Float32, Float32]:
    """Both as (N, 3), the way Embree reads them."""
    origins = np.broadcast_to(origins_m, directions.shape)
    return np.ascontiguousarray(origins.T), np.ascontiguousarray(directions.T)


def _facing(normal: Float32, directions: Float32) -> Float32:
    """Unit normals turned against the rays."""
    size = np.maximum(length(normal), np.float32(1e-20))
    return np.asarray(normal / np.where(dot(normal, directions) > 0, -size, size))


@cache
def _build_on_one_thread() -> None:
    """Start Embree with one thread, once per process.

    Built by several threads, a BVH's order of triangles, and with it the winner of a tie, may differ from run to run.
    Embree takes the number of its threads from the process's CPU mask when it first builds; embreex cannot set it.
    """
    if not hasattr(os, "sched_getaffinity"):
        return
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        scene = EmbreeScene()
        TriangleMesh(scene, np.eye(3, dtype=np.float32)[None])
        scene.run(np.zeros((1, 3), dtype=np.float32), np.ones((1, 3), dtype=np.float32))
    finally:
        os.sched_setaffinity(0, allowed)
