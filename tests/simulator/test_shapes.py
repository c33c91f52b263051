import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.simulator.shapes import (
    Mesh,
    ball,
    box,
    cone,
    cylinder,
    disc_wheel,
    extrude,
    fan,
    hull,
    lathe,
    merge,
    moved,
    patch,
    rod,
    rough_ball,
    scaled,
    standing,
    torus,
    tube,
    turned,
)

L_SHAPE = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 3), (0, 3)]


def volume(mesh: Mesh) -> float:
    """Signed: positive where all faces of a closed mesh look outwards."""
    a, b, c = np.moveaxis(mesh.vertices_m[mesh.faces], 1, 0)
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def is_closed(mesh: Mesh) -> bool:
    """Every edge belongs to two faces, once in each direction."""
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    forward, backward = ({tuple(edge) for edge in way.tolist()} for way in (edges, edges[:, ::-1]))
    return len(forward) == len(edges) and forward == backward


CLOSED = {
    "box": (box((1, 2, 3), (5, 5, 5)), 6.0),
    "cylinder": (cylinder(0.5, 2.0, 200), np.pi * 0.25 * 2),
    "cone": (cone(1.0, 0.5, 3.0, 200), np.pi * (1 + 0.5 + 0.25)),
    "lathe": (lathe([(1, 0), (1, 1), (0.5, 1), (0.5, 2)], 200), np.pi * 1.25),
    "hull": (hull((0, 0, 1, 1, 1), (3, 0, 1, 1, 1)), 6.0),
    "wheel": (disc_wheel(0.3, 0.2, (1, 2, 0.3), 200), np.pi * 0.09 * 0.2),
    "torus": (torus(2.0, 0.5, 64, 64), 2 * np.pi**2 * 2 * 0.25),
    "rod": (rod((0, 0, 0), (1, 2, 2), 0.1, sides=200), np.pi * 0.01 * 3),
    "extrusion": (extrude(L_SHAPE, 2.0), 8.0),
    "standing extrusion": (standing(extrude(L_SHAPE, 2.0)), 8.0),
    "ball": (ball(1.0, rows=40, sides=60), 4 / 3 * np.pi),
}


@pytest.mark.parametrize("name", CLOSED)
def test_closed_shapes_have_their_volume_and_look_outwards(name):
    mesh, expected = CLOSED[name]
    assert is_closed(mesh)
    assert volume(mesh) == pytest.approx(expected, rel=1e-2)
    assert mesh.faces.dtype == np.int32 and mesh.faces.min() == 0 and mesh.faces.max() == len(mesh.vertices_m) - 1


@given(st.lists(st.tuples(*[st.floats(-2, 2)] * 3), min_size=2, max_size=8), st.floats(0.01, 0.3))
def test_tubes_are_closed_finite_and_as_thick_as_asked(path, radius):
    mesh = tube(path, radius, 7)
    assert is_closed(mesh) and np.isfinite(mesh.vertices_m).all()
    away = np.linalg.norm(mesh.vertices_m.reshape(len(path), 7, 3) - np.array(path)[:, None], axis=2)
    assert (away < radius + 1e-9).all()


@given(st.floats(-4, 4), st.integers(0, 2))
def test_turning_keeps_lengths_and_orientation(angle, axis):
    mesh = turned(moved(box((1, 2, 3)), (1, 0, 2)), angle, axis)
    assert volume(mesh) == pytest.approx(6.0)
    np.testing.assert_allclose(
        np.linalg.norm(mesh.vertices_m, axis=1), np.linalg.norm(moved(box((1, 2, 3)), (1, 0, 2)).vertices_m, axis=1)
    )


def test_turning_is_counter_clockwise():
    quarter = turned(moved(box((1e-9,) * 3), (1, 0, 0)), np.pi / 2)
    np.testing.assert_allclose(quarter.vertices_m.mean(axis=0), (0, 1, 0), atol=1e-9)


def test_open_surfaces_look_up():
    x, y = np.meshgrid([0.0, 1.0, 2.0], [0.0, 1.0], indexing="ij")
    for mesh in (patch(x, y, 0 * x), fan(np.array([(1, -1), (1, 1), (-1, 1), (-1, -1)]), 0.1)):
        a, b, c = np.moveaxis(mesh.vertices_m[mesh.faces], 1, 0)
        assert (np.cross(b - a, c - a)[:, 2] > 0).all()


def test_merging_keeps_all_triangles():
    parts = [box((1, 1, 1)), torus(1.0, 0.2), moved(box((2, 2, 2)), (5, 0, 0))]
    whole = merge(parts)
    expected = np.concatenate([part.vertices_m[part.faces] for part in parts])
    np.testing.assert_array_equal(whole.vertices_m[whole.faces], expected)


def test_extent_and_scaling():
    np.testing.assert_allclose(np.ptp(scaled(box((1, 2, 3)), (2, 1, 0.5)).vertices_m, axis=0), (2, 2, 1.5))


def test_rough_balls_differ_by_generator_only():
    first, again, other = (rough_ball(np.random.default_rng(seed), (1, 1, 1), (0, 0, 0)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.vertices_m, again.vertices_m)
    assert np.abs(first.vertices_m - other.vertices_m).max() > 0.01


def test_outlines_that_cross_themselves_are_refused():
    with pytest.raises(AssertionError, match="simple"):
        extrude([(0, 0), (0, 1), (1, 1), (1, 0)], 1.0)
