from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.simulator.raycast import NO_PART, Geometry, Hits, dot, length

FLOOR = np.array([(-9, -9, 0), (9, -9, 0), (9, 9, 0), (-9, 9, 0)], dtype=np.float32)
QUAD = np.array([(0, 1, 2), (0, 2, 3)], dtype=np.int32)


def column(*vectors: tuple) -> np.ndarray:
    return np.ascontiguousarray(np.array(vectors, dtype=np.float32).T)


def floor_and_shelf() -> Geometry:
    """A floor (part 4) and 2 m above it, where x > 0, a shelf (part 6)."""
    shelf = np.clip(FLOOR, (0, -9, 0), (9, 9, 0)) + np.array((0, 0, 2), dtype=np.float32)
    return Geometry(
        np.concatenate([FLOOR, shelf]), np.concatenate([QUAD, QUAD + 4]), np.array([4, 4, 6, 6], dtype=np.int32)
    )


def brute_force(vertices: np.ndarray, faces: np.ndarray, origin: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Distances (T,) to every triangle in float64, inf where missed (Moeller and Trumbore 1997)."""
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    first, second = b - a, c - a
    across = np.cross(way, second)
    determinant = (first * across).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = ((origin - a) * across).sum(axis=1) / determinant
        side = np.cross(origin - a, first)
        v, t = (side @ way) / determinant, (second * side).sum(axis=1) / determinant
        inside = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
    return np.where(inside, t, np.inf)


def test_first_hit_part_distance_and_normal():
    origins = column((-1, 0.5, 5), (1, 0.5, 5), (1, 0.5, 1), (1, 0.5, 1), (1, 0.5, 5))
    ways = column((0, 0, -1), (0, 0, -2), (0, 0, -1), (0, 0, 1), (0, 0, 1))
    hits = floor_and_shelf().cast(origins, ways)
    assert hits.part.tolist() == [4, 6, 4, 6, NO_PART]
    np.testing.assert_allclose(hits.distance, [5, 1.5, 1, 1, np.inf])
    np.testing.assert_allclose(hits.normal[:, :4], column((0, 0, 1), (0, 0, 1), (0, 0, 1), (0, 0, -1)))


def test_one_origin_serves_all_rays():
    geometry, ways = floor_and_shelf(), column((0.1, 0.2, -1), (-0.3, 0.2, -1))
    one, many = geometry.cast(column((0, 0, 1)), ways), geometry.cast(column((0, 0, 1), (0, 0, 1)), ways)
    np.testing.assert_array_equal(one.distance, many.distance)


def test_no_rays():
    empty = np.zeros((3, 0), dtype=np.float32)
    assert len(floor_and_shelf().cast(empty, empty).part) == 0
    assert len(floor_and_shelf().blocked(empty, empty, 1.0)) == 0


@given(st.integers(0, 2**32 - 1))
def test_agrees_with_every_triangle_tried_in_turn(seed):
    rng = np.random.default_rng(seed)
    vertices = rng.uniform(-5, 5, (60, 3)).astype(np.float32)
    faces = rng.permutation(60).reshape(20, 3).astype(np.int32)
    origins, ways = rng.uniform(-8, 8, (3, 40)).astype(np.float32), rng.normal(size=(3, 40)).astype(np.float32)
    geometry = Geometry(vertices, faces, np.arange(20, dtype=np.int32))
    hits = geometry.cast(origins, ways)
    distances = np.stack([brute_force(vertices, faces, o, w) for o, w in zip(origins.T, ways.T, strict=True)])
    np.testing.assert_allclose(hits.distance, distances.min(axis=1), rtol=1e-4)
    found = np.isfinite(hits.distance)
    np.testing.assert_array_equal(hits.part[found], distances.argmin(axis=1)[found])
    np.testing.assert_allclose(length(hits.normal[:, found]), 1, rtol=1e-5)
    assert (dot(hits.normal, ways)[found] < 0).all()
    for reach in (0.5, 3.0):
        np.testing.assert_array_equal(geometry.blocked(origins, ways, reach), hits.distance < reach)


def test_nearer_takes_the_first_of_two():
    near, far = np.array([1, np.inf, 3], dtype=np.float32), np.array([2, 5, np.inf], dtype=np.float32)
    up, down = column((0, 0, 1)).repeat(3, 1), column((0, 0, -1)).repeat(3, 1)
    both = Hits(near, np.array([1, NO_PART, 1], dtype=np.int32), up).nearer(
        Hits(far, np.array([2, 2, NO_PART], dtype=np.int32), down)
    )
    assert both.distance.tolist() == [1, 5, 3]
    assert both.part.tolist() == [1, 2, 1]
    assert both.normal[2].tolist() == [1, -1, 1]


def test_ties_are_decided_alike_in_every_build():
    """Many coplanar triangles: which of them wins must not depend on the build."""
    rng = np.random.default_rng(0)
    vertices = np.zeros((30000, 3), dtype=np.float32)
    vertices[:, :2] = rng.integers(-20, 20, (30000, 2))
    faces, part = np.arange(30000, dtype=np.int32).reshape(-1, 3), np.arange(10000, dtype=np.int32)
    origins = np.array([*rng.uniform(-20, 20, (2, 5000)), np.ones(5000)], dtype=np.float32)
    ways = np.zeros_like(origins)
    ways[2] = -1
    parts = [Geometry(vertices, faces, part).cast(origins, ways).part for _ in range(3)]
    assert (parts[0] != NO_PART).mean() > 0.9
    assert all(np.array_equal(parts[0], other) for other in parts[1:])


@pytest.mark.parametrize("count", [1, 15, 16, 17, 4096, 4097, 9000])
def test_every_ray_has_its_own_answer(count):
    """Embree takes rays in packets and blocks; nothing may leak from one to another."""
    ways = np.zeros((3, count), dtype=np.float32)
    ways[2] = -1
    origins = np.full((3, count), 0.5, dtype=np.float32)
    origins[2] = 1.25 + np.arange(count) % 7
    origins[0, ::3] = 50.0
    hits, missed = floor_and_shelf().cast(origins, ways), np.arange(count) % 3 == 0
    np.testing.assert_array_equal(hits.part, np.where(missed, NO_PART, np.where(origins[2] > 2, 6, 4)))
    np.testing.assert_array_equal(np.isinf(hits.distance), missed)
    assert (hits.normal[:, missed] == 0).all()
    assert not floor_and_shelf().blocked(origins, ways, 0.2).any()
    np.testing.assert_array_equal(floor_and_shelf().blocked(origins, ways, 1.5), ~missed & (origins[2] < 3.5))


def test_hits_beyond_the_limit_do_not_count():
    origins, ways = column((-1, 0.5, 5), (-1, 0.5, 5)), column((0, 0, -1), (0, 0, -1))
    hits = floor_and_shelf().cast(origins, ways, np.array([4.9, 5.1], dtype=np.float32))
    assert hits.part.tolist() == [NO_PART, 4]
    np.testing.assert_allclose(hits.distance, [np.inf, 5])


def test_a_scene_is_given_back_with_its_geometry():
    def resident_pages() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    rng = np.random.default_rng(0)
    vertices, faces = rng.random((60000, 3), dtype=np.float32), np.arange(60000, dtype=np.int32).reshape(-1, 3)
    part = np.zeros(20000, dtype=np.int32)
    Geometry(vertices, faces, part)
    before = resident_pages()
    for _ in range(30):
        Geometry(vertices, faces, part)
    assert (resident_pages() - before) * 4096 < 40e6, "30 scenes of 4 MB each"
