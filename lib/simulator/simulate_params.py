"""The section `simulate` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.common.params import Fraction, ImageSize, Metres, Section, Seed
from lib.common.ticks import TICKS_PER_SECOND

MIN_DRIVE_FRAMES = 40
"""A braking lead needs some frames before it brakes, and some after."""

Offset = Annotated[float, Field(ge=-10, le=10)]
PerMinute = Annotated[float, Field(ge=0, le=60)]
Range = Annotated[tuple[Metres, Metres], Field(strict=False)]


class SimulateParams(Section):
    """The built-in sample; docs/simulator.md describes the distributions."""

    seed: Seed
    sensor_set: Literal["mono", "stereo", "stereo_one_lidar", "multi", "surround"]
    normality_scenarios: Annotated[int, Field(ge=0, le=100_000)]
    anomaly_scenarios: Annotated[int, Field(ge=0, le=100_000)]
    dynamic_scenarios: Annotated[int, Field(ge=0, le=100_000)]
    frames_per_scenario: Annotated[int, Field(ge=1, le=10_000)]
    seconds_between_frames: Annotated[float, Field(ge=0.1, le=60)]
    image_height: ImageSize
    image_width: ImageSize
    camera_fov_deg: Annotated[float, Field(gt=10, lt=170)]
    lidar_channels: Annotated[int, Field(ge=4, le=256)]
    lidar_rays_per_channel: Annotated[int, Field(ge=32, le=8192)]
    lidar_range_m: Annotated[float, Field(ge=1, le=1_000)]
    lidar_noise_m: Annotated[float, Field(ge=0, le=10)]
    lidar_offset_m: Annotated[tuple[Offset, Offset, Offset], Field(strict=False)]
    lidar_time_offset_s: Annotated[float, Field(ge=-1, le=1)]
    calibration_jitter_deg: Annotated[float, Field(ge=0, le=30)]
    calibration_jitter_m: Annotated[float, Field(ge=0, le=5)]
    follower_fraction: Fraction
    ego_reacts: bool
    traffic_events_per_minute: PerMinute
    hard_stops_per_minute: PerMinute
    ego_brakes_per_minute: PerMinute
    cut_in_fraction: Fraction
    absent_fraction: Fraction
    anomaly_distance_m: Range
    anomaly_sizes_m: Annotated[dict[Literal["Tiny", "Small", "Medium", "Big", "Huge"], Range], Field(min_length=1)]
    night_fraction: Fraction
    fog_fraction: Fraction
    rain_fraction: Fraction

    @model_validator(mode="after")
    def _check(self) -> "SimulateParams":
        if self.normality_scenarios + self.anomaly_scenarios + self.dynamic_scenarios == 0:
            raise ValueError(
                "simulate.normality_scenarios, anomaly_scenarios and dynamic_scenarios are all 0; make at least one"
            )
        ticks = self.seconds_between_frames * TICKS_PER_SECOND
        if abs(ticks - round(ticks)) > 1e-6:
            raise ValueError(
                f"simulate.seconds_between_frames is {self.seconds_between_frames}, which is not a multiple of "
                f"{1 / TICKS_PER_SECOND} (AnoVox ticks at {TICKS_PER_SECOND} Hz)"
            )
        if self.dynamic_scenarios and (round(ticks) != 1 or self.frames_per_scenario < MIN_DRIVE_FRAMES):
            raise ValueError(
                f"simulate.dynamic_scenarios is {self.dynamic_scenarios}, but seconds_between_frames is "
                f"{self.seconds_between_frames} and frames_per_scenario is {self.frames_per_scenario}; drives with a "
                f"braking lead need {1 / TICKS_PER_SECOND} and at least {MIN_DRIVE_FRAMES}, for example 90"
            )
        sizes = ((f"anomaly_sizes_m.{size}", reach) for size, reach in self.anomaly_sizes_m.items())
        named = [("anomaly_distance_m", self.anomaly_distance_m), *sizes]
        for name, (low, high) in named:
            if low > high:
                raise ValueError(f"simulate.{name} is [{low}, {high}]; the first number must not exceed the second")
        return self
