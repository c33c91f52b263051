"""The built-in sample: all scenarios of the plan, recorded and written in AnoVox's layout, in parallel."""

from functools import partial
from pathlib import Path

from lib.anovox.recording import ScenarioConfig
from lib.anovox.writer import write_scenario, write_scenario_configuration
from lib.errors import DataError
from lib.params import SimulateParams
from lib.simulator.mounting import sensor_set
from lib.simulator.plan import ScenarioPlan, plan_scenarios
from lib.simulator.recordings import record_scenario, scenario_config, ticks_between_frames
from lib.simulator.scenes import build_scene
from lib.workers import processes, run_tasks


def write_sample(root: Path, params: SimulateParams, workers: int) -> tuple[ScenarioConfig, ...]:
    """Write all scenarios and their configuration files below `root`, an existing folder, and return what was written.

    `workers` processes, 0 = one per core; the files are the same to the byte for any number of them.
    Raises ParamsError before any work, DataError when a scenario cannot be written.
    """
    ticks_between_frames(params)
    plans = plan_scenarios(params)
    with processes(workers, len(plans)) as pool:
        configs = run_tasks(pool, partial(_write_planned, root, params), plans, "simulating", "scenario")
    write_scenario_configuration(root, configs)
    return tuple(configs)


def _write_planned(root: Path, params: SimulateParams, plan: ScenarioPlan) -> ScenarioConfig:
    scene = build_scene(plan, params)
    config = scenario_config(plan, scene)
    try:
        write_scenario(root, config, sensor_set(params), record_scenario(scene, plan, params))
    except OSError as error:
        raise DataError(f"{root / plan.name}: cannot be written ({error}); check disk space and permissions") from None
    return config
