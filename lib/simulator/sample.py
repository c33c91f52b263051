"""The built-in sample: all scenarios of the plan, recorded and written in AnoVox's layout, in parallel."""

from functools import partial
from pathlib import Path

from lib.anovox.format.configurations import ScenarioDefinition, write_scenario_configuration, write_simulator_notes
from lib.anovox.format.recording import ScenarioConfig
from lib.anovox.format.writing import write_scenario
from lib.common.errors import DataError
from lib.common.workers import processes, run_tasks
from lib.simulator.mounting import sensor_set
from lib.simulator.recordings import record_scenario, scenario_definition, simulator_notes
from lib.simulator.scenario_plan import ScenarioPlan, plan_scenarios
from lib.simulator.scene_builder import build_scene
from lib.simulator.simulate_params import SimulateParams


def write_sample(root: Path, params: SimulateParams, workers: int) -> tuple[ScenarioConfig, ...]:
    """Write all scenarios, their configuration files and simulator.json below `root`, an existing folder.

    Returns the configurations. `workers`: processes, 0 = one per core; the files are byte-identical for any number.
    Raises DataError if a scenario cannot be written.
    """
    plans = plan_scenarios(params)
    with processes(workers, len(plans)) as pool:
        definitions = run_tasks(pool, partial(_write_planned, root, params), plans, "simulating", "scenario")
    write_scenario_configuration(root, definitions)
    write_simulator_notes(root, simulator_notes(plans, params))
    return tuple(definition.config for definition in definitions)


def _write_planned(root: Path, params: SimulateParams, plan: ScenarioPlan) -> ScenarioDefinition:
    scene = build_scene(plan, params)
    definition = scenario_definition(plan, scene)
    try:
        write_scenario(root, definition.config, sensor_set(params), record_scenario(scene, plan, params))
    except OSError as error:
        raise DataError(f"{root / plan.name}: cannot be written ({error}); check disk space and permissions") from None
    return definition
