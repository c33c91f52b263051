import numpy as np
import pytest

from lib.common.labels import ANOMALY_SIZES, is_anomaly
from lib.simulator.anomalies.anomaly_surfaces import PATTERNS, pattern
from lib.simulator.anomalies.catalog import BODIES, SHAPES, SHEETS, build_anomaly
from lib.simulator.assembly import Object, bounds


def check(thing: Object, extent_m: float) -> None:
    low, high = bounds(thing)
    assert (high - low).max() == pytest.approx(extent_m)
    assert low[2] == pytest.approx(0) and np.abs(low[:2] + high[:2]).max() < 1e-6
    for piece in thing:
        assert np.isfinite(piece.mesh.vertices_m).all()
        assert piece.mesh.faces.min() >= 0 and piece.mesh.faces.max() < len(piece.mesh.vertices_m)
        assert is_anomaly(np.array([piece.class_id], dtype=np.uint8)).all()
    assert len({piece.class_id for piece in thing}) == 1
    assert sum(len(piece.mesh.faces) for piece in thing) < 4000


@pytest.mark.parametrize("family", SHAPES)
def test_unusual_shapes(family):
    for seed in range(4):
        hidden = build_anomaly("geometry", family, 1.5, np.random.default_rng(seed))
        check(hidden, 1.5)
        assert all(piece.material.camouflage for piece in hidden)
        loud = build_anomaly("both", family, 0.5, np.random.default_rng(seed))
        check(loud, 0.5)
        assert not any(piece.material.camouflage for piece in loud)


@pytest.mark.parametrize("family", SHAPES)
def test_proportions_vary(family):
    sizes = [
        np.ptp(bounds(build_anomaly("both", family, 1.0, np.random.default_rng(seed))), axis=0) for seed in range(8)
    ]
    assert len({tuple(np.round(size, 6)) for size in sizes}) > 3


@pytest.mark.parametrize("family", SHEETS)
def test_sheets_are_flat(family):
    for seed in range(4):
        thing = build_anomaly("appearance", family, 2.0, np.random.default_rng(seed))
        check(thing, 2.0)
        assert 0.004 < bounds(thing)[1][2] < 0.011
        assert not any(piece.material.camouflage for piece in thing)


@pytest.mark.parametrize("family", BODIES)
def test_bodies_carry_a_pattern_but_keep_their_reflectivity(family):
    build, sizes = BODIES[family]
    assert set(sizes) <= set(ANOMALY_SIZES)
    thing = build_anomaly("appearance", family, 1.0, np.random.default_rng(7))
    check(thing, 1.0)
    rng = np.random.default_rng(7)
    pattern(rng, 1.0, 0.4)
    plain = build(rng)
    assert any(piece.material.texture in PATTERNS for piece in thing)
    assert {piece.material.texture for piece in plain}.isdisjoint(PATTERNS)
    assert [piece.material.lidar_reflectivity for piece in thing] == [p.material.lidar_reflectivity for p in plain]


def test_every_class_of_anomaly_has_families():
    assert {class_id for class_id, _ in SHAPES.values()} == set(range(29, 35))
    assert {class_id for class_id, _ in SHEETS.values()} == set(range(29, 35))
    assert len(SHAPES) + len(SHEETS) + len(BODIES) == len({*SHAPES, *SHEETS, *BODIES}) >= 80
