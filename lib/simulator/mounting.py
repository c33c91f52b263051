"""Stated and true sensor poses: sensor sets with LiDAR offsets and calibration errors."""

import numpy as np

from lib.anovox.format.recording import SENSOR_POSES, CameraArgs, LidarArgs, SensorPose, SensorSet
from lib.common.ticks import TICKS_PER_SECOND
from lib.geometry.rigid import Matrix, rotation_about, vehicle_SE3_sensor
from lib.simulator.scenario_plan import ScenarioPlan
from lib.simulator.simulate_params import SimulateParams


def sensor_set(params: SimulateParams) -> SensorSet:
    """The sensor set as stated in sensor_setup.json, with the LiDARs shifted by `lidar_offset_m` from AnoVox's poses.

    One LiDAR frame has points_per_second / TICKS_PER_SECOND rays.
    """
    rays = params.lidar_channels * params.lidar_rays_per_channel
    cameras, lidars = SENSOR_POSES[params.sensor_set]
    return SensorSet(
        cameras,
        tuple(_shifted(pose, params.lidar_offset_m) for pose in lidars) if any(params.lidar_offset_m) else lidars,
        camera_args=CameraArgs(params.image_height, params.image_width, params.camera_fov_deg),
        lidar_args=LidarArgs(
            range=params.lidar_range_m,
            channels=params.lidar_channels,
            points_per_second=rays * TICKS_PER_SECOND,
            noise_stddev=params.lidar_noise_m,
        ),
    )


def extrinsics(pose: SensorPose) -> Matrix:
    """Stated extrinsics (4, 4) of a sensor in the vehicle's frame."""
    return vehicle_SE3_sensor(pose.location, pose.rotation)


def true_lidar_extrinsics(plan: ScenarioPlan, params: SimulateParams) -> tuple[Matrix, ...]:
    """True extrinsics of the LiDARs in a scenario, (4, 4) each in the vehicle's frame.

    They differ from sensor_setup.json by a rotation of `calibration_jitter_deg` about a random axis and a shift of
    `calibration_jitter_m` in a random direction, drawn per scenario and LiDAR.
    """
    rng = np.random.default_rng([params.seed, 12, plan.index])
    stated = [extrinsics(pose) for pose in sensor_set(params).lidars]
    if params.calibration_jitter_deg == params.calibration_jitter_m == 0:
        return tuple(stated)
    return tuple(vehicle_SE3_lidar @ _random_displacement(params, rng) for vehicle_SE3_lidar in stated)


def _random_displacement(params: SimulateParams, rng: np.random.Generator) -> Matrix:
    """A transform (4, 4) of the size in the params; rotation axis and shift direction are uniform on the sphere."""
    axis, direction = (vector / np.linalg.norm(vector) for vector in rng.normal(size=(2, 3)))
    displacement = np.eye(4)
    displacement[:3, :3] = rotation_about(axis, float(np.deg2rad(params.calibration_jitter_deg)))
    displacement[:3, 3] = params.calibration_jitter_m * direction
    return displacement


def _shifted(pose: SensorPose, offset_m: tuple[float, float, float]) -> SensorPose:
    """The pose moved by an offset ahead, to the left and up (CARLA's y points right)."""
    forward, left, up = offset_m
    x, y, z = pose.location
    return SensorPose((round(x + forward, 6), round(y - left, 6), round(z + up, 6)), pose.rotation)
