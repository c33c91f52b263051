"""Small simulated scenarios of every sensor set."""

from pathlib import Path

from lib.anovox.format.writing import write_scenario
from lib.geometry.frame import ScenarioType
from lib.simulator.mounting import sensor_set
from lib.simulator.recordings import record_scenario, scenario_config
from lib.simulator.scenario_plan import plan_scenarios
from lib.simulator.scene_builder import build_scene
from lib.simulator.simulate_params import SimulateParams
from tests.all_params import all_params

ROOT = Path(__file__).parents[1]
SEVERAL = ("stereo", "stereo_one_lidar", "multi", "surround")
SMALL = {"image_height": 24, "image_width": 36, "lidar_channels": 8, "lidar_rays_per_channel": 96}


def set_params(name: str, seed: int, frames: int = 1) -> SimulateParams:
    changes = {"normality_scenarios": 1, "anomaly_scenarios": 2, "frames_per_scenario": frames, "sensor_set": name}
    return all_params().simulate.model_copy(update=SMALL | changes | {"seed": seed})


def write_set(root: Path, name: str, seed: int, frames: int = 1) -> Path:
    """Write one scenario with an anomaly below `root` and return its folder."""
    params = set_params(name, seed, frames)
    plan = next(plan for plan in plan_scenarios(params) if plan.type is ScenarioType.STATIC)
    scene = build_scene(plan, params)
    return write_scenario(root, scenario_config(plan, scene), sensor_set(params), record_scenario(scene, plan, params))
