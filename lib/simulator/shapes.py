"""Triangle meshes in plain NumPy: the primitives of all objects in a street.

All meshes are in metres; the normals of closed ones point outwards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Point = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh: vertices (V, 3) float64 [m], faces (F, 3) int32."""

    vertices_m: Float
    faces: npt.NDArray[np.int32]


def merge(meshes: Iterable[Mesh]) -> Mesh:
    """Merge meshes (at least one) into one."""
    meshes = tuple(meshes)
    if len(meshes) == 1:
        return meshes[0]
    vertices = np.concatenate([mesh.vertices_m for mesh in meshes])
    return Mesh(vertices, joined_faces([mesh.faces for mesh in meshes], [len(mesh.vertices_m) for mesh in meshes]))


def joined_faces(faces: Sequence[npt.NDArray[np.int32]], num_vertices: Sequence[int]) -> npt.NDArray[np.int32]:
    """Merge faces of several meshes to (F, 3), for concatenated vertices; `num_vertices` of each mesh."""
    joined = np.concatenate(faces)
    starts = np.array([0, *accumulate(num_vertices[:-1])], dtype=np.int32)
    joined += np.repeat(starts, [len(part) for part in faces])[:, None]
    return joined


def moved(mesh: Mesh, offset_m: Point) -> Mesh:
    """The mesh shifted by an offset."""
    return Mesh(mesh.vertices_m + offset_m, mesh.faces)


def scaled(mesh: Mesh, factors: Point) -> Mesh:
    """The mesh stretched along x, y and z by positive factors."""
    return Mesh(mesh.vertices_m * factors, mesh.faces)


def turned(mesh: Mesh, angle_rad: float, axis: int = 2) -> Mesh:
    """The mesh turned counter-clockwise about the x (0), y (1) or z (2) axis."""
    cosine, sine = float(np.cos(angle_rad)), float(np.sin(angle_rad))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    vertices = mesh.vertices_m.copy()
    vertices[:, first] = cosine * mesh.vertices_m[:, first] - sine * mesh.vertices_m[:, second]
    vertices[:, second] = sine * mesh.vertices_m[:, first] + cosine * mesh.vertices_m[:, second]
    return Mesh(vertices, mesh.faces)


_UNIT_BOX = np.array([[x, y, z] for z in (-0.5, 0.5) for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))])


def box(size_m: Point, center_m: Point = (0.0, 0.0, 0.0)) -> Mesh:
    """An axis-aligned box."""
    return Mesh(_UNIT_BOX * size_m + center_m, _loft_faces(2, 4, True))


def block(size_m: Point, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Mesh:
    """An axis-aligned box standing on height z, centred on x, y."""
    return box(size_m, (x, y, z + size_m[2] / 2))


@lru_cache(maxsize=256)
def _loft_faces(rings: int, sides: int, capped: bool) -> npt.NDArray[np.int32]:
    ring, side = (index.ravel() for index in np.meshgrid(np.arange(rings - 1), np.arange(sides), indexing="ij"))
    a, b = ring * sides + side, ring * sides + (side + 1) % sides
    faces = [np.stack([a, b, b + sides], axis=1), np.stack([a, b + sides, a + sides], axis=1)]
    if capped:
        fan = np.arange(1, sides - 1)
        last = (rings - 1) * sides
        faces.append(np.stack([np.zeros_like(fan), fan + 1, fan], axis=1))
        faces.append(np.stack([np.full_like(fan, last), last + fan, last + fan + 1], axis=1))
    return np.ascontiguousarray(np.concatenate(faces), dtype=np.int32)


def loft(rings_m: Float) -> Mesh:
    """A body through rings (R, S, 3) of S points, counter-clockwise as seen from the last ring; convex caps."""
    rings, sides = rings_m.shape[:2]
    return Mesh(rings_m.reshape(-1, 3), _loft_faces(rings, sides, True))


def hull(*stations: tuple[float, float, float, float, float]) -> Mesh:
    """A body along x over rectangles (x, z low, z high, half width low, half width high), x rising."""
    x, low, high, wide, narrow = np.array(stations, dtype=np.float64).T
    y = np.stack([wide, narrow, -narrow, -wide], axis=1)
    z = np.stack([low, high, high, low], axis=1)
    return loft(np.stack([np.broadcast_to(x[:, None], y.shape), y, z], axis=2))


@lru_cache(maxsize=64)
def _circle(sides: int) -> Float:
    angle = np.arange(sides) * (2 * np.pi / sides)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    circle.setflags(write=False)
    return circle


def lathe(profile_m: Sequence[tuple[float, float]], sides: int = 12) -> Mesh:
    """A body of revolution about z: the profile's (radius, z) from bottom to top, closed by flat caps."""
    radius, height = np.array(profile_m, dtype=np.float64).T
    circle = _circle(sides)
    rings = np.empty((len(radius), sides, 3))
    rings[:, :, :2] = np.maximum(radius, 1e-4)[:, None, None] * circle
    rings[:, :, 2] = height[:, None]
    return loft(rings)


def cylinder(radius_m: float, height_m: float, sides: int = 10) -> Mesh:
    """An upright cylinder standing on z = 0."""
    return lathe([(radius_m, 0.0), (radius_m, height_m)], sides)


def cone(low_radius_m: float, high_radius_m: float, height_m: float, sides: int = 10) -> Mesh:
    """An upright (truncated) cone standing on z = 0."""
    return lathe([(low_radius_m, 0.0), (high_radius_m, height_m)], sides)


def disc_wheel(radius_m: float, width_m: float, center_m: Point, sides: int = 14) -> Mesh:
    """A solid wheel, its axle along y."""
    unit = turned(moved(cylinder(1.0, 1.0, sides), (0.0, 0.0, -0.5)), np.pi / 2, axis=0)
    return Mesh(unit.vertices_m * (radius_m, width_m, radius_m) + center_m, unit.faces)


def torus(radius_m: float, tube_m: float, sides: int = 16, tube_sides: int = 6) -> Mesh:
    """A ring about the z axis, centred on the origin."""
    ring, section = _circle(sides), _circle(tube_sides)
    rings = np.empty((sides, tube_sides, 3))
    reach = radius_m + tube_m * section[:, 0]
    rings[:, :, :2] = ring[:, None] * reach[None, :, None]
    rings[:, :, 2] = tube_m * section[::-1, 1]
    faces = _loft_faces(sides + 1, tube_sides, False) % (sides * tube_sides)
    return Mesh(rings.reshape(-1, 3), np.asarray(faces, dtype=np.int32))


def tube(path_m: Sequence[Point] | Float, radius_m: float | Sequence[float] | Float, sides: int = 6) -> Mesh:
    """A tube swept along a path (n, 3), n >= 2, its radius one number or one per point."""
    path = np.asarray(path_m, dtype=np.float64)
    radius = np.empty(len(path))
    radius[:] = radius_m
    side, up = _frames(path.tolist())
    circle = _circle(sides)
    spokes = circle[:, :1] * side[:, None] + circle[:, 1:] * up[:, None]
    return loft(path[:, None] + radius[:, None, None] * spokes)


def _frames(path: list[list[float]]) -> tuple[Float, Float]:
    """Two unit vectors (n, 3) perpendicular to the path at each of its points, with minimal rotation along it.

    In plain Python, which is faster than NumPy for the hundreds of short paths of a street.
    """
    last = len(path) - 1
    sides, ups = [], []
    axis: list[float] | None = None
    for i in range(last + 1):
        before, after = path[max(i - 1, 0)], path[min(i + 1, last)]
        x, y, z = after[0] - before[0], after[1] - before[1], after[2] - before[2]
        length = max((x * x + y * y + z * z) ** 0.5, 1e-9)
        x, y, z = x / length, y / length, z / length
        if axis is None:
            axis = [0.0, 0.0, 1.0] if abs(z) < 0.9 else [1.0, 0.0, 0.0]
        along = axis[0] * x + axis[1] * y + axis[2] * z
        a, b, c = axis[0] - along * x, axis[1] - along * y, axis[2] - along * z
        length = max((a * a + b * b + c * c) ** 0.5, 1e-9)
        axis = [a / length, b / length, c / length]
        a, b, c = axis
        sides.append(axis)
        ups.append([y * c - z * b, z * a - x * c, x * b - y * a])
    return np.array(sides), np.array(ups)


def rod(start_m: Point, end_m: Point, radius_m: float, end_radius_m: float | None = None, sides: int = 6) -> Mesh:
    """A straight (tapered) rod between two points."""
    return tube([start_m, end_m], [radius_m, radius_m if end_radius_m is None else end_radius_m], sides)


def extrude(outline_m: Sequence[tuple[float, float]] | Float, height_m: float, z: float = 0.0) -> Mesh:
    """A prism over a simple, possibly concave outline (n, 2) given counter-clockwise, from z to z + height."""
    outline = np.asarray(outline_m, dtype=np.float64)
    count = len(outline)
    vertices = np.empty((2 * count, 3))
    vertices[:count, :2] = vertices[count:, :2] = outline
    vertices[:count, 2], vertices[count:, 2] = z, z + height_m
    cap = np.array(_triangulate(tuple(map(tuple, outline.tolist()))), dtype=np.int32)
    return Mesh(vertices, np.concatenate([_loft_faces(2, count, False), cap[:, ::-1], cap + count]).astype(np.int32))


@lru_cache(maxsize=512)
def _triangulate(outline: tuple[tuple[float, float], ...]) -> tuple[tuple[int, int, int], ...]:
    """Ear clipping (quadratic, for outlines of some dozens of points)."""

    def area(a: int, b: int, c: int) -> float:
        (ax, ay), (bx, by), (cx, cy) = outline[a], outline[b], outline[c]
        return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)

    def is_ear(a: int, b: int, c: int) -> bool:
        if area(a, b, c) <= 1e-12:
            return False
        others = (p for p in left if p not in (a, b, c))
        return not any(area(a, b, p) >= 0 and area(b, c, p) >= 0 and area(c, a, p) >= 0 for p in others)

    left = list(range(len(outline)))
    triangles = []
    while len(left) > 3:
        ears = (i for i in range(len(left)) if is_ear(left[i - 1], left[i], left[(i + 1) % len(left)]))
        i = next(ears, None)
        assert i is not None, "an outline must be simple and counter-clockwise"
        triangles.append((left[i - 1], left[i], left[(i + 1) % len(left)]))
        del left[i]
    return (*triangles, (left[0], left[1], left[2]))


def standing(mesh: Mesh) -> Mesh:
    """Rotate an extruded outline from the x, y plane to the x, z plane, centred in y."""
    upright = turned(mesh, np.pi / 2, axis=0)
    low, high = upright.vertices_m[:, 1].min(), upright.vertices_m[:, 1].max()
    return moved(upright, (0.0, -float(low + high) / 2, 0.0))


def patch(x_m: Float, y_m: Float, z_m: Float) -> Mesh:
    """An open surface over a grid x, y, z (R, C) [m]; normals point up if x rises with rows and y with columns."""
    rows, columns = x_m.shape
    return Mesh(np.stack([x_m, y_m, z_m], axis=2).reshape(-1, 3), _patch_faces(rows, columns))


@lru_cache(maxsize=256)
def _patch_faces(rows: int, columns: int) -> npt.NDArray[np.int32]:
    row, column = (index.ravel() for index in np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij"))
    a = row * columns + column
    b = a + columns
    faces = np.concatenate([np.stack([a, b, b + 1], axis=1), np.stack([a, b + 1, a + 1], axis=1)])
    return np.ascontiguousarray(faces, dtype=np.int32)


@lru_cache(maxsize=8)
def _ball(rows: int, sides: int) -> Mesh:
    angle = np.linspace(-np.pi / 2, np.pi / 2, rows)
    return lathe([(float(np.cos(a)), float(np.sin(a))) for a in angle], sides)


def ball(radius_m: float, center_m: Point = (0.0, 0.0, 0.0), rows: int = 6, sides: int = 8) -> Mesh:
    """A sphere, for normal objects (heads, tree crowns); the sample's anomalies have none."""
    unit = _ball(rows, sides)
    return Mesh(unit.vertices_m * radius_m + center_m, unit.faces)


def rough_ball(rng: np.random.Generator, size_m: Point, center_m: Point, roughness: float = 0.15) -> Mesh:
    """A bumpy ellipsoid, for tree crowns, bushes and bags."""
    unit = _ball(6, 9)
    bumps = 1.0 + roughness * rng.standard_normal(len(unit.vertices_m))
    vertices = unit.vertices_m * bumps.clip(0.6, 1.4)[:, None] * (np.asarray(size_m) / 2) + center_m
    return Mesh(vertices, unit.faces)


def fan(outline_m: Float, z: float = 0.0) -> Mesh:
    """A flat open surface at height z over a counter-clockwise outline (n, 2), star-shaped about the origin."""
    count = len(outline_m)
    vertices = np.zeros((count + 1, 3))
    vertices[1:, :2] = outline_m
    vertices[:, 2] = z
    ring = np.arange(count)
    faces = np.stack([np.zeros(count, dtype=np.int64), ring + 1, (ring + 1) % count + 1], axis=1)
    return Mesh(vertices, faces.astype(np.int32))
