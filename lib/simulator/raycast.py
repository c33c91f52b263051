"""Ray casting against the parts of a scene.

Vectors are (3, N) float32 arrays throughout the sensors, one row per axis: NumPy is several times faster on them than
on (N, 3).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.simulator.embree import TriangleScene

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
        """Combine two casts of the same rays: the nearer hit of each ray."""
        closer = other.distance < self.distance
        distance = np.where(closer, other.distance, self.distance)
        return Hits(distance, np.where(closer, other.part, self.part), np.where(closer, other.normal, self.normal))

    def of(self, rays: Indices) -> "Hits":
        """The hits of some of the rays."""
        return Hits(self.distance[rays], self.part[rays], self.normal[:, rays])


class Geometry:
    """An immutable set of triangles for ray casting, with the part that each belongs to."""

    def __init__(self, vertices_m: Float32, faces: Int32, part: Int32) -> None:
        """`vertices_m` (V, 3) [m], any frame; `faces` (T, 3), T > 0; `part` (T,): value of Hits.part for each face."""
        assert len(faces) == len(part)
        self._part = part
        self._triangles = TriangleScene(vertices_m, faces)

    def cast(self, origins_m: Float32, directions: Float32, limit: Float32 | None = None) -> Hits:
        """First hits of rays: origins (3, N) or (3, 1), directions (3, N), which need not have unit length.

        `limit` (N,): distances beyond which hits do not count.
        """
        if directions.shape[1] == 0:
            return no_hits(0)
        distance, triangle, normal = self._triangles.first_hits(origins_m, directions, limit)
        hit = triangle >= 0
        part = np.where(hit, self._part[triangle], np.int32(NO_PART))
        return Hits(np.where(hit, distance, np.float32(np.inf)), part, _facing(normal, directions))

    def blocked(self, origins_m: Float32, directions: Float32, reach: float) -> npt.NDArray[np.bool_]:
        """Whether each ray hits anything within `reach` lengths of its direction."""
        if directions.shape[1] == 0:
            return np.zeros(0, dtype=bool)
        limits = np.full(directions.shape[1], reach, dtype=np.float32)
        return self._triangles.blocked(origins_m, directions, limits)


def no_hits(count: int) -> Hits:
    """The hits of rays that hit nothing."""
    distance = np.full(count, np.inf, dtype=np.float32)
    return Hits(distance, np.full(count, NO_PART, dtype=np.int32), np.zeros((3, count), dtype=np.float32))


def dot(a: Float32, b: Float32) -> Float32:
    """Dot products (N,) of vectors (3, N), either of which may be a single one (3,) or (3, 1).

    Without BLAS, whose rounding may depend on its number of threads.
    """
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


def length(vectors: Float32) -> Float32:
    """Lengths (N,) of vectors (3, N)."""
    return np.asarray(np.sqrt(dot(vectors, vectors)), dtype=np.float32)


def _facing(normal: Float32, directions: Float32) -> Float32:
    """Unit normals turned against the rays."""
    size = np.maximum(length(normal), np.float32(1e-20))
    return np.asarray(normal / np.where(dot(normal, directions) > 0, -size, size))
