"""Rays against triangles: Intel Embree through embreex's raw scene queries."""

import os
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]

NO_PART = -1


@dataclass(frozen=True, eq=False)
class Hits:
    """First hits of N rays: distance (N,) float32 in lengths of the ray's direction, inf where nothing was hit;
    part (N,) int32, NO_PART where nothing was hit; normal (N, 3) float32, unit, facing the ray's origin.
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
            np.where(closer[:, None], other.normal, self.normal),
        )


class Geometry:
    """A set of triangles that rays are cast at. Built once, never changed."""

    def __init__(self, triangles_m: Float32, part: Int32) -> None:
        """`triangles_m` (T, 3, 3) [m], any frame; `part` (T,): what Hits.part says when the triangle is hit."""
        assert triangles_m.shape == (len(part), 3, 3)
        self._part = part
        self._scene = EmbreeScene(robust=True)
        if len(part):
            _build_on_one_thread()
            TriangleMesh(self._scene, triangles_m)

    def cast(self, origins_m: Float32, directions: Float32) -> Hits:
        """First hits of rays: origins and directions (N, 3) float32; directions need not have unit length."""
        if not len(self._part) or not len(origins_m):
            return _no_hits(len(origins_m))
        raw = self._scene.run(origins_m, directions, output=1)
        hit = raw["primID"] != -1
        part = np.where(hit, self._part[raw["primID"]], np.int32(NO_PART))
        distance = np.where(hit, raw["tfar"], np.float32(np.inf))
        return Hits(distance, part, _facing(raw["Ng"], directions))

    def blocked(self, origins_m: Float32, directions: Float32, reach: float = 1e6) -> npt.NDArray[np.bool_]:
        """Whether anything lies on the rays (N, 3), up to `reach` lengths of the direction."""
        if not len(self._part) or not len(origins_m):
            return np.zeros(len(origins_m), dtype=bool)
        limits = np.full(len(origins_m), reach, dtype=np.float32)
        answer = self._scene.run(origins_m, directions, dists=limits, query="OCCLUDED")
        return np.asarray(answer != -1)


def dot(a: Float32, b: Float32) -> Float32:
    """Row by row products (N,) of a (N, 3) and b (N, 3) or (3,). Not by BLAS, whose rounding depends on its threads."""
    return np.asarray(a[:, 0] * b[..., 0] + a[:, 1] * b[..., 1] + a[:, 2] * b[..., 2])


def _no_hits(count: int) -> Hits:
    return Hits(
        np.full(count, np.inf, dtype=np.float32),
        np.full(count, NO_PART, dtype=np.int32),
        np.zeros((count, 3), dtype=np.float32),
    )


def _facing(normal: Float32, directions: Float32) -> Float32:
    """Unit normals turned against the rays."""
    length = np.sqrt(dot(normal, normal))
    factor = np.where(dot(normal, directions) > 0, np.float32(-1), np.float32(1)) / np.maximum(
        length, np.float32(1e-20)
    )
    return np.asarray(normal * factor[:, None], dtype=np.float32)


@cache
def _build_on_one_thread() -> None:
    """Start Embree with one thread, once per process.

    Built by several threads, a BVH's order of triangles, and with it the winner of a tie, may differ from run to run.
    Embree's thread pool takes its size from the process's CPU mask when it first builds, and embreex has no setting for it.
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
