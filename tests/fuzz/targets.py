"""Every reader of files from outside, with files to damage and what must hold of whatever it lets pass."""

import io
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TextIO, cast

import numpy as np

from lib.anovox.download.archives import unpack
from lib.anovox.format import clouds, files, layout, writing
from lib.anovox.format.class_images import read_class_image
from lib.anovox.format.colors import GENERIC_ANOMALY_ID
from lib.anovox.format.configurations import (
    SIMULATOR_NOTES,
    configurations_in,
    read_configurations,
    read_simulator_notes,
)
from lib.anovox.format.ego_state import anomaly_of
from lib.anovox.format.folders import find_scenarios
from lib.anovox.format.sensor_setup import read_sensor_setup
from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.common.errors import DataError, ParamsError
from lib.common.reading import read_bytes
from lib.common.terminal import PlainStream, readable
from lib.evaluation.inputs import check_predictions
from lib.evaluation.voxel_files import read_frame_table, read_protocol_frames
from lib.export.model_record import load_record
from lib.folder.calibration_file import CALIBRATION_FILE, LidarSection, read_calibration
from lib.folder.cloud_files import cloud_size, read_cloud
from lib.geometry.calibration import Calibration
from lib.kitti.kitti_calibration import read_kitti_calibration
from lib.kitti.kitti_recordings import read_velodyne
from lib.model.model_file import load_detector
from lib.preprocessing.statistics import frame_statistics
from lib.reading.findings import Finding, ScenarioReason
from lib.reading.images import image_size, read_image
from lib.reading.recorded_frames import SkippedFrame
from lib.reading.safe_names import is_plain
from lib.shards.index import INDEX_FILE, frames_with_anomaly, read_index
from lib.shards.predictions import read_predictions
from lib.shards.shard_reader import read_shard
from tests.all_params import all_params
from tests.fuzz import lies, packages
from tests.fuzz.mutations import Mutation
from tests.sensor_files import HEIGHT, WIDTH

OURS: Final = (DataError, ParamsError)
MAX_INPUT_BYTES: Final = 1 << 28
Reader = Callable[[Path], object]


@dataclass(frozen=True)
class Target:
    """A kind of file: `file`, the name it is read under; `seeds`, sound ones; the readers that all see each input."""

    name: str
    file: str
    seeds: tuple[bytes, ...]
    lie: Mutation
    readers: tuple[Reader, ...]


def read_all(target: Target, path: Path) -> bool:
    """Show a file to all readers of its target and say whether each refused it with an error of ours.

    Any other exception passes through.
    """
    refused = 0
    for reader in target.readers:
        try:
            reader(path)
        except OURS as error:
            _check_sentence(str(error))
            refused += 1
    return refused == len(target.readers)


def _check_sentence(message: str) -> None:
    """Our errors are one readable line that says something."""
    assert message.isprintable() and 10 < len(message) < 4_000, f"not a clear sentence: {message[:300]!r}"


def _read_frame(scenario: Path, kinds: Sequence[str], path: Path) -> None:
    """Read a frame of a scenario in which the file takes the place of one of these kinds, whichever its bytes say."""
    kind = kinds[_checksum(path) % len(kinds)]
    with TemporaryDirectory(dir=path.parent) as folder:
        copy = Path(folder) / scenario.name
        copy.mkdir()
        frame_id = None
        for item in scenario.iterdir():
            if layout.kind_of(item.name) == kind:
                first = min(item.iterdir())
                frame_id = layout.frame_id_of(first)
                (copy / item.name).mkdir()
                (copy / item.name / first.name).with_suffix(path.suffix).symlink_to(path)
            elif item.name != path.name:
                (copy / item.name).symlink_to(item)
        if path.name == layout.SENSOR_SETUP:
            (copy / path.name).symlink_to(path)
        opened = open_scenario(copy, None, "all")
        for read in read_frames(opened, None if frame_id is None else [frame_id]):
            if isinstance(read, SkippedFrame):
                raise DataError(read.message)
            assert np.isfinite(read.frame.points).all() and len(read.frame.points)
            frame_statistics(read)


def _checksum(path: Path) -> int:
    try:
        return zlib.crc32(read_bytes(path, MAX_INPUT_BYTES))
    except OSError:  # no file
        return 0


def _images(path: Path) -> None:
    height, width = files.png_size(path)
    files.check_image(path, height, width)
    assert files.read_rgb(path, height, width).shape == (height, width, 3)


def _classes(path: Path) -> None:
    size = files.png_size(path)
    assert read_class_image(path, *size, GENERIC_ANOMALY_ID, set()).shape == size


def _semantic_lidar(path: Path) -> None:
    cloud = clouds.read_semantic_lidar(path, GENERIC_ANOMALY_ID, set())
    assert np.isfinite(cloud).all() and len(cloud)


def _lidar(path: Path) -> None:
    cloud = clouds.read_lidar(path)
    assert len(cloud) == clouds.cloud_size(path) and np.isfinite(cloud).all()


def _key_values(path: Path) -> None:
    values = files.read_key_values(path)
    anomaly_of(values)


def _index(path: Path) -> None:
    for entry in read_index(path.parent):
        assert (
            0 <= entry.frames_with_anomaly <= entry.frames - entry.frames_before_anomaly
            and Path(entry.file).name == entry.file
        )


def _shard(path: Path) -> None:
    shard = read_shard(path)
    for frame in range(len(shard)):
        assert len(shard.voxels(frame)) == shard.voxel_offsets[frame + 1] - shard.voxel_offsets[frame] >= 0
        clouds = shard.lidar_points(frame)
        assert sum(map(len, clouds)) == shard.num_points[frame] and all(np.isfinite(cloud).all() for cloud in clouds)
    frames_with_anomaly(shard)


def _predictions(corpus: Path, path: Path) -> None:
    predictions = read_predictions(path)
    shards = [read_shard(shard, verify=False) for shard in sorted((corpus / "shards").glob("*.h5"))]
    own = next((shard for shard in shards if shard.scenario == predictions.scenario), shards[0])
    check_predictions(path, own, predictions)


def _voxel_predictions(path: Path) -> None:
    _score_voxels(path, None)


def _voxel_truth(path: Path) -> None:
    _score_voxels(None, path)


def _score_voxels(predicted: Path | None, true: Path | None) -> None:
    """Score one frame by AnoVox's protocol, a sound file in place of the one not given."""
    with TemporaryDirectory(dir=(predicted or true or Path()).parent) as folder:
        root = Path(folder)
        for name, file, sound in (("predicted", predicted, _SOUND_SCORES), ("true", true, _SOUND_VOXELS)):
            (root / name).mkdir()
            if file is None:
                writing.write_array(root / name / "x_100.npy", sound)
            else:
                (root / name / "x_100.npy").symlink_to(file)
        (root / "frames.json").write_text('{"100": {"anomaly_in_view": true}}', encoding="utf-8")
        for frame in read_protocol_frames(root / "predicted", root / "true", root / "frames.json", anomaly_ids=(33,)):
            assert np.isfinite(frame.scores).all()


def _cloud(path: Path) -> None:
    """As a plain folder's, with its default columns."""
    cloud = read_cloud(path, _PLAIN_LIDAR)
    assert len(cloud.points) == cloud.kept.sum() <= len(cloud.kept) == cloud_size(path, _PLAIN_LIDAR)
    assert np.isfinite(cloud.points).all() and 0 <= cloud.points[:, 3].min() <= cloud.points[:, 3].max() <= 1


def _velodyne(path: Path) -> None:
    points = read_velodyne(path)
    assert np.isfinite(points).all() and 0 <= points[:, 3].min() <= points[:, 3].max() <= 1


def _image(path: Path) -> None:
    size = image_size(path)
    assert read_image(path, *size).shape == (*size, 3)


def _calibration(path: Path) -> None:
    _check_calibration(read_calibration(path).calibration)


def _kitti_calibration(path: Path) -> None:
    _check_calibration(read_kitti_calibration(path, HEIGHT, WIDTH))


def _check_calibration(calibration: Calibration) -> None:
    rotation = calibration.camera_SE3_lidar[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(rotation) > 0 and np.isfinite(calibration.camera_SE3_lidar).all()
    assert calibration.camera.fx_px > 0 < calibration.camera.fy_px


MAX_NAME_BYTES: Final = 1_000_000


def _named(path: Path) -> None:
    """Find, open and list a scenario whose folders and files have the name that the file holds; then say its name."""
    try:
        name = os.fsdecode(read_bytes(path, MAX_NAME_BYTES).replace(b"\0", b"").replace(b"/", b"_"))
    except OSError as error:
        raise DataError(f"{path.name}: holds no name ({error.strerror})") from None
    with TemporaryDirectory(dir=path.parent) as folder:
        root = Path(folder) / "data"
        findings: list[Finding] = []
        try:
            for place in (name, f"Scenario_{name}", f"{name}/Scenario_1", f"Scenario_2/{layout.RGB}{name}"):
                (root / place).mkdir(parents=True, exist_ok=True)
            for place in (f"Scenario_2/{name}.csv", f"{layout.CONFIGURATION_FOLDER}/{name}.json"):
                (root / place).parent.mkdir(exist_ok=True)
                (root / place).touch()
        except OSError as error:
            raise DataError(f"{path.name}: holds a name that no file can have ({error.strerror})") from None
        read_configurations(root, findings.append)
        for scenario in find_scenarios(root, findings.append):
            assert is_plain(scenario.name), "a strange name is let pass"
            with suppress(DataError):
                open_scenario(scenario, None, "all")
        stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        PlainStream(cast(TextIO, stream), keeps_going=False).write("\n".join(f.message for f in findings) + f"<{name}>")
        said = stream.buffer.getvalue().decode()
        assert all(c.isprintable() or c in "\n\t" for c in said), "a terminal is steered"
        if strange := [f.message for f in findings if f.reason is ScenarioReason.STRANGE_NAME]:
            raise DataError(readable(strange[0]))


def _unpack(path: Path) -> None:
    """Unpack into a folder whose neighbours must stay as they are."""
    with TemporaryDirectory(dir=path.parent) as folder:
        around = Path(folder)
        try:
            unpack([path], around / "root")
        finally:
            assert {entry.name for entry in around.iterdir()} <= {"root"}, "something lies outside of the target"
            assert not any(entry.is_symlink() for entry in around.rglob("*"))


_SOUND_SCORES: Final = np.array([[1, 2, 3, 0.5]])
_SOUND_VOXELS: Final = np.array([[1, 2, 3, 33]])
_PLAIN_LIDAR: Final = LidarSection(intensity_range=[0.0, 255.0], range_m=100.0)
TARGETS: Final = (
    *("png", "npy", "voxel_scores", "pcd", "ply", "sensor_setup", "configuration", "simulator_notes", "frame_table"),
    *("key_values", "params", "names", "index", "shard", "predictions", "model", "record", "tar_gz", "zip"),
    *("velodyne", "kitti_calibration", "calibration", "plain_array", "jpeg"),
)


def make_target(name: str, corpus: Path) -> Target:
    """One of TARGETS, with its seeds from a folder that `make_corpus` filled."""
    data, old, other = corpus / "data", corpus / "old", corpus / "other"
    release, sample = (min(folder.glob(f"*/{layout.ANOMALY}")).parent for folder in (data, old))
    image = partial(_read_frame, release, (layout.RGB, layout.DEPTH, layout.SEMANTIC))
    old_image = partial(_read_frame, sample, (layout.OLD_RGB, layout.OLD_DEPTH, layout.OLD_SEMANTIC))
    array = partial(_read_frame, release, (layout.LIDAR, layout.SEMANTIC_LIDAR, layout.VOXEL_GRID))
    cloud = partial(_read_frame, sample, (layout.OLD_LIDAR, layout.OLD_SEMANTIC_LIDAR))
    text = partial(_read_frame, release, (layout.ACTION, layout.ANOMALY))
    setup = partial(_read_frame, release, ("none of these",))
    targets: dict[str, tuple[str, Iterable[Path], Mutation, tuple[Reader, ...]]] = {
        "png": ("x_1.png", (*data.glob("*/*CAM*/*.png"), *old.glob("*/*IMG/*.png")), lies.lying_png,
                (_images, _classes, _image, image, old_image)),
        "npy": ("x_1.npy", data.glob("*/*/*.npy"), lies.lying_array,
                (files.read_lidar, _semantic_lidar, files.read_voxels, array)),
        "voxel_scores": ("x_100.npy", corpus.glob("*_100.npy"), lies.lying_array, (_voxel_predictions, _voxel_truth)),
        "pcd": ("x_1.pcd", (*corpus.glob("*.pcd"), *old.glob("*/*PCD/*.pcd")), lies.lying_cloud,
                (_lidar, _cloud, cloud)),
        "ply": ("x_1.ply", corpus.glob("*.ply"), lies.lying_cloud, (_lidar, _semantic_lidar, _cloud, cloud)),
        "sensor_setup": (layout.SENSOR_SETUP, data.glob(f"*/{layout.SENSOR_SETUP}"), lies.lying_json,
                         (read_sensor_setup, setup)),
        "configuration": ("scenario_config_map_Town01.json", data.glob(f"{layout.CONFIGURATION_FOLDER}/*"),
                          lies.lying_json, (configurations_in,)),
        "simulator_notes": (SIMULATOR_NOTES, data.glob(SIMULATOR_NOTES), lies.lying_json, (read_simulator_notes,)),
        "frame_table": ("frames.json", corpus.glob("frames.json"), lies.lying_json, (read_frame_table,)),
        "key_values": ("x_1.csv", data.glob("*/*/*.csv"), lies.lying_pairs, (_key_values, text)),
        "params": ("params.yaml", corpus.glob("params.yaml"), lies.lying_yaml, (all_params,)),
        "names": ("name.txt", corpus.glob("name.txt"), lies.lying_name, (_named,)),
        "index": (INDEX_FILE, corpus.glob(INDEX_FILE), lies.lying_table, (_index,)),
        "shard": ("x.h5", (corpus / "shards").glob("*.h5"), packages.lying_hdf5, (_shard,)),
        "predictions": ("x.h5", (corpus / "predictions").glob("*.h5"), packages.lying_hdf5,
                        (partial(_predictions, corpus),)),
        "model": ("detector.safetensors", corpus.glob("*.safetensors"), lies.lying_tensors, (load_detector,)),
        "record": ("x.safetensors", corpus.glob("detector.safetensors"), lies.lying_tensors, (load_record,)),
        "tar_gz": ("x.tar.gz", corpus.glob("*.tar.gz"), packages.lying_tar, (_unpack,)),
        "zip": ("x.zip", corpus.glob("*.zip"), packages.lying_zip, (_unpack,)),
        "velodyne": ("1.bin", other.glob("training/velodyne/*"), lies.lying_rows, (_velodyne,)),
        "kitti_calibration": ("1.txt", other.glob("training/calib/*"), lies.lying_matrix, (_kitti_calibration,)),
        "calibration": (CALIBRATION_FILE, other.glob(f"plain/{CALIBRATION_FILE}"), lies.lying_yaml, (_calibration,)),
        "plain_array": ("1.npy", other.glob("plain/clouds/*"), lies.lying_array, (_cloud,)),
        "jpeg": ("1.jpg", other.glob("*.jpg"), lies.lying_jpeg, (_image,)),
    }  # fmt: skip
    file, paths, lie, readers = targets[name]
    return Target(name, file, tuple(path.read_bytes() for path in sorted(paths)), lie, readers)
