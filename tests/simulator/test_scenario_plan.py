from collections import Counter
from dataclasses import replace

import pytest

from lib.common.labels import ANOMALY_SIZES
from lib.geometry.frame import ScenarioType
from lib.simulator.anomalies.catalog import families
from lib.simulator.scenario_plan import KINDS, TOWNS, plan_scenarios
from lib.simulator.simulate_params import SimulateParams
from lib.simulator.weather import RAINY_SKIES
from tests.all_params import all_params
from tests.present import present


def params(**changes: object) -> SimulateParams:
    return all_params().simulate.model_copy(update=changes)


def test_types_kinds_and_sizes_come_in_equal_shares():
    plans = plan_scenarios(params(normality_scenarios=31, anomaly_scenarios=60))
    assert Counter(plan.type for plan in plans) == {ScenarioType.NORMALITY: 31, ScenarioType.STATIC: 60}
    cells = Counter((plan.anomaly.kind, plan.anomaly.size) for plan in plans if plan.anomaly)
    assert cells == {(kind, size): 4 for kind in KINDS for size in ANOMALY_SIZES}


def test_a_sample_that_is_no_multiple_is_as_even_as_can_be():
    anomalies = [present(plan.anomaly) for plan in plan_scenarios(params(normality_scenarios=0, anomaly_scenarios=37))]
    assert set(Counter((anomaly.kind, anomaly.size) for anomaly in anomalies).values()) == {2, 3}


def test_all_families_take_their_turn():
    plans = plan_scenarios(params(anomaly_scenarios=600))
    used = Counter(plan.anomaly.family for plan in plans if plan.anomaly)
    assert set(used) == {name for kind in KINDS for size in ANOMALY_SIZES for name in families(kind, size)}
    assert len(used) >= 80
    shapes = [used[name] for name in families("both", "Big")]
    assert max(shapes) - min(shapes) <= 2
    for plan in plans:
        if plan.anomaly:
            assert plan.anomaly.family in families(plan.anomaly.kind, plan.anomaly.size)


def test_weather_is_the_same_in_both_types():
    plans = plan_scenarios(params(normality_scenarios=100, anomaly_scenarios=40, night_fraction=0.2, rain_fraction=0.3))
    for kind, count in ((ScenarioType.NORMALITY, 100), (ScenarioType.STATIC, 40)):
        presets = [plan.weather_preset for plan in plans if plan.type == kind]
        assert sum(preset.endswith("NIGHT") for preset in presets) == round(0.2 * count)
        assert sum(preset.startswith("FOGGY_") for preset in presets) == round(0.15 * count)
        assert sum(any(sky in preset for sky in RAINY_SKIES) for preset in presets) == round(0.3 * count)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_anomalies_are_absent_at_the_start_as_often_as_at_the_end(frames):
    chosen = params(normality_scenarios=30, anomaly_scenarios=80, absent_fraction=0.5, frames_per_scenario=frames)
    plans = plan_scenarios(chosen)
    absent = [plan.absent for plan in plans if plan.absent]
    assert all(plan.anomaly for plan in plans if plan.absent)
    assert len(absent) == (40 if frames > 1 else 0)
    assert sum(part.start == 0 for part in absent) == sum(part.stop == frames for part in absent) == len(absent) / 2
    assert {len(part) for part in absent} == set(range(1, frames // 2 + 1))
    always = plan_scenarios(chosen.model_copy(update={"absent_fraction": 0.0}))
    assert [replace(plan, absent=range(0)) for plan in plans] == list(always)


def test_order_and_names_tell_nothing_and_repeat():
    plans = plan_scenarios(params(normality_scenarios=50, anomaly_scenarios=50))
    assert plans == plan_scenarios(params(normality_scenarios=50, anomaly_scenarios=50))
    assert [plan.index for plan in plans] == list(range(100))
    assert len({plan.name for plan in plans}) == 100
    assert 15 < sum(plan.type == ScenarioType.STATIC for plan in plans[:50]) < 35
    assert {plan.town for plan in plans} == set(TOWNS)
    other = plan_scenarios(params(normality_scenarios=50, anomaly_scenarios=50, seed=2))
    assert not {plan.name for plan in plans} & {plan.name for plan in other}


def test_only_the_sizes_of_the_params_are_used():
    plans = plan_scenarios(params(anomaly_sizes_m={"Small": (0.5, 0.6), "Huge": (3.0, 3.5)}))
    assert {plan.anomaly.size for plan in plans if plan.anomaly} == {"Small", "Huge"}
