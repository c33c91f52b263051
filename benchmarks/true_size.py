"""Simulated scenarios of AnoVox's true size: 512 x 768 pixels, 64 x 1,562 rays."""

from pathlib import Path

from lib.params import load_params
from lib.simulator.sample import write_sample

HEIGHT, WIDTH = 512, 768


def write_true_size_scenarios(folder: Path, normality: int, anomaly: int, frames: int) -> list[Path]:
    """Simulate some scenarios below a folder and return their paths."""
    changes = {
        "normality_scenarios": normality,
        "anomaly_scenarios": anomaly,
        "frames_per_scenario": frames,
        "image_height": HEIGHT,
        "image_width": WIDTH,
        "lidar_channels": 64,
        "lidar_rays_per_channel": 1562,
    }
    params = load_params().simulate.model_copy(update=changes)
    return [folder / config.name for config in write_sample(folder, params, workers=0)]
