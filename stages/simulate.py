"""The built-in sample: procedural streets with and without anomalies, in AnoVox's release layout."""

from lib.anovox.format.configurations import SIMULATOR_NOTES
from lib.common.errors import run_stage
from lib.common.outputs import atomic_folder
from lib.common.params import ExecutionParams, Sections, load_params
from lib.common.paths import SAMPLE
from lib.common.terminal import log
from lib.simulator.sample import write_sample
from lib.simulator.simulate_params import SimulateParams

SAMPLE_HOLDS = ("Scenario_????????-????-????-????-????????????/", "Scenario_Configuration_Files/")


class Params(Sections):
    """Sections of params.yaml that the stage reads."""

    simulate: SimulateParams
    execution: ExecutionParams


def main() -> None:
    """Run the stage."""
    params = load_params(Params)
    with atomic_folder(SAMPLE, (*SAMPLE_HOLDS, SIMULATOR_NOTES), SIMULATOR_NOTES) as folder:
        configs = write_sample(folder, params.simulate, params.execution.workers)
    anomalies = sum(config.anomaly_blueprint is not None for config in configs)
    frames = len(configs) * params.simulate.frames_per_scenario
    log(f"{len(configs)} scenarios ({anomalies} with an anomaly), {frames} frames in {SAMPLE}")


if __name__ == "__main__":
    run_stage(main)
