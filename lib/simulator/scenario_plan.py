"""The sample's scenarios: types, towns, weather and anomalies, in balanced numbers."""

import uuid
from dataclasses import dataclass

import numpy as np

from lib.common.labels import ANOMALY_SIZES
from lib.geometry.frame import ScenarioType
from lib.simulator.anomalies.catalog import families
from lib.simulator.simulate_params import SimulateParams
from lib.simulator.weather import preset_name

TOWNS = ("Town01", "Town02", "Town03", "Town04", "Town05", "Town06", "Town07", "Town10HD")
KINDS = ("geometry", "appearance", "both")


@dataclass(frozen=True)
class AnomalyPlan:
    """Size, kind and family of a scenario's anomaly; `family` is a name in the catalogue for this kind and size."""

    size: str
    kind: str
    family: str


@dataclass(frozen=True)
class ScenarioPlan:
    """One scenario of the sample; `name` is its folder, Scenario_<uuid>; NORMALITY has no anomaly.

    `absent`: indices of the frames in which the anomaly is absent, at the start or at the end.
    """

    name: str
    index: int
    type: ScenarioType
    town: str
    weather_preset: str
    anomaly: AnomalyPlan | None
    absent: range = range(0)
    driven: bool = False
    """A drive among moving traffic, at AnoVox's rate; else the ego passes the spot of an anomaly or of normal content.
    """

    @property
    def dynamic(self) -> bool:
        """Whether the vehicle ahead brakes without a cause."""
        return self.type is ScenarioType.DYNAMIC


def plan_scenarios(params: SimulateParams) -> tuple[ScenarioPlan, ...]:
    """All scenarios, a pure function of the parameters.

    All combinations of kind and size are equally frequent, families are cycled within each combination, night, fog and
    rain are equally frequent in all types, and absences are equally frequent at the start and at the end. The order
    of the scenarios is random.
    """
    rng = np.random.default_rng([params.seed, 0])
    anomalies = _plan_anomalies(rng, params.anomaly_scenarios, sizes(params))
    contents: list[tuple[AnomalyPlan | None, str, range]] = []
    contents += [(None, preset, range(0)) for preset in _presets(rng, params, params.normality_scenarios)]
    absences = _absences(np.random.default_rng([params.seed, 4]), params)
    contents += zip(anomalies, _presets(rng, params, params.anomaly_scenarios), absences, strict=True)
    first_dynamic, driven = len(contents), params.dynamic_scenarios > 0
    contents += [(None, preset, range(0)) for preset in _presets(rng, params, params.dynamic_scenarios)]
    return tuple(
        ScenarioPlan(
            name=f"Scenario_{uuid.UUID(bytes=np.random.default_rng([params.seed, 1, index]).bytes(16), version=4)}",
            index=index,
            type=_type(contents[which][0], which >= first_dynamic),
            town=TOWNS[int(rng.integers(len(TOWNS)))],
            weather_preset=contents[which][1],
            anomaly=contents[which][0],
            absent=contents[which][2],
            driven=driven and contents[which][0] is None,
        )
        for index, which in enumerate(rng.permutation(len(contents)).tolist())
    )


def _type(anomaly: AnomalyPlan | None, dynamic: bool) -> ScenarioType:
    if anomaly is not None:
        return ScenarioType.STATIC
    return ScenarioType.DYNAMIC if dynamic else ScenarioType.NORMALITY


def sizes(params: SimulateParams) -> tuple[str, ...]:
    """The sizes of anomalies, smallest first."""
    return tuple(size for size in ANOMALY_SIZES if size in params.anomaly_sizes_m)


def _plan_anomalies(rng: np.random.Generator, count: int, sizes: tuple[str, ...]) -> list[AnomalyPlan]:
    """Draw kinds and sizes equally often (up to one), and each family of a combination once before any is repeated."""
    cells = [(kind, size) for kind in KINDS for size in sizes]
    order = [cells[i] for _ in range(-(-count // len(cells))) for i in rng.permutation(len(cells)).tolist()][:count]
    used: dict[str, int] = {}
    plans: list[AnomalyPlan] = []
    for kind, size in order:
        names = families(kind, size)
        tie_break = rng.permutation(len(names))
        rarest = min(range(len(names)), key=lambda i: (used.get(names[i], 0), int(tie_break[i])))
        used[names[rarest]] = used.get(names[rarest], 0) + 1
        plans.append(AnomalyPlan(size, kind, names[rarest]))
    return plans


def _absences(rng: np.random.Generator, params: SimulateParams) -> list[range]:
    """Frames of each anomaly scenario in which the anomaly is absent: up to half of them, at the start or at the end.

    `absent_fraction` of the scenarios have such frames, half of these at the start and half at the end (up to one).
    """
    frames, count = params.frames_per_scenario, params.anomaly_scenarios
    order = rng.permutation(count).tolist()
    absences = [range(0)] * count
    for place, scenario in enumerate(order[: round(params.absent_fraction * count)] if frames > 1 else []):
        some = int(rng.integers(1, frames // 2 + 1))
        absences[scenario] = range(some) if place % 2 else range(frames - some, frames)
    return absences


def _presets(rng: np.random.Generator, params: SimulateParams, count: int) -> list[str]:
    night, fog, rain = (
        rng.permutation(np.arange(count) < round(fraction * count)).tolist()
        for fraction in (params.night_fraction, params.fog_fraction, params.rain_fraction)
    )
    return [preset_name(rng, *flags) for flags in zip(night, fog, rain, strict=True)]
