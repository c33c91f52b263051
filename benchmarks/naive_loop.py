"""A naive training loop: one file per frame and sensor, a collate function that pads each batch, eager float32.

Network, loss, views and pseudo-anomalies are those of the project, so that only the loop differs.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lib.loading.dataset import FrameRef
from lib.model.detector import Detector
from lib.shards.shard_reader import Shard
from lib.synthesis.families import TRAINING
from lib.synthesis.pseudo_anomalies import paste_pseudo_anomalies
from lib.training.augmentation import augment
from lib.training.losses import detection_loss
from lib.training.recipe import Recipe
from lib.views.frame_batch import FrameBatch
from lib.views.range_view import make_views

Sample = tuple[Tensor, ...]


def write_raw(folder: Path, shards: Sequence[Shard], refs: Sequence[FrameRef]) -> None:
    """Write PNG and .npy files of each frame, clouds without padding."""
    folder.mkdir(parents=True)
    for number, ref in enumerate(refs):
        shard, i = shards[ref.shard], ref.index
        count = shard.num_points[i]
        Image.fromarray(np.asarray(shard.image[i])).save(folder / f"{number}_image.png")
        Image.fromarray(np.asarray(shard.pixel_class[i])).save(folder / f"{number}_class.png")
        np.save(folder / f"{number}_points.npy", shard.points[i, :count])
        np.save(folder / f"{number}_point_class.npy", shard.point_class[i, :count])
        np.save(folder / f"{number}_depth.npy", shard.depth_m[i])
        camera = shard.camera
        intrinsics = np.array([camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px], np.float32)
        np.savez(
            folder / f"{number}_rig.npz", intrinsics=intrinsics, camera_SE3_lidar=shard.calibration.camera_SE3_lidar
        )


class RawFrames(Dataset[Sample]):
    """Data set of the frames in a folder, read from files; images are resized each time to `size` (height, width)."""

    def __init__(self, folder: Path, count: int, size: tuple[int, int] | None = None) -> None:
        self._folder, self._count, self._size = folder, count, size

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Sample:
        start = f"{self._folder}/{number}_"
        rig = np.load(start + "rig.npz")
        image: Image.Image = Image.open(start + "image.png")
        classes: Image.Image = Image.open(start + "class.png")
        depth_m, intrinsics = np.load(start + "depth.npy"), rig["intrinsics"]
        if self._size is not None:
            size = self._size[::-1]
            intrinsics = intrinsics * np.float32(size[0] / image.width)
            image, classes = (
                image.resize(size, Image.Resampling.BILINEAR),
                classes.resize(size, Image.Resampling.NEAREST),
            )
            picture = Image.fromarray(depth_m.astype(np.float32)).resize(size, Image.Resampling.NEAREST)
            depth_m = np.asarray(picture).astype(np.float16)
        arrays = (
            np.array(image),
            np.load(start + "points.npy"),
            np.load(start + "point_class.npy"),
            np.array(classes),
            depth_m,
            intrinsics,
            rig["camera_SE3_lidar"].astype(np.float32),
        )
        return tuple(torch.from_numpy(array) for array in arrays)


def padded_batch(samples: Sequence[Sample]) -> FrameBatch:
    """Collate function: pad the clouds to the longest of the batch, and stack."""
    image, points, point_class, pixel_class, depth, intrinsics, extrinsics = zip(*samples, strict=True)
    pad = torch.nn.utils.rnn.pad_sequence
    return FrameBatch(
        torch.stack(image),
        pad(list(points), batch_first=True),
        torch.tensor([len(cloud) for cloud in points]),
        pad(list(point_class), batch_first=True, padding_value=255),
        torch.stack(pixel_class),
        torch.stack(depth),
        torch.stack(intrinsics),
        torch.stack(extrinsics),
    )


class NaiveLoop:
    """A detector with its naive training loop."""

    def __init__(
        self,
        folder: Path,
        count: int,
        detector: Detector,
        recipe: Recipe,
        threads: int,
        size: tuple[int, int] | None = None,
    ) -> None:
        self._detector, self._recipe, self._threads = detector.to(recipe.device), recipe, threads
        params = recipe.params
        self._loader = DataLoader(
            RawFrames(folder, count, size), params.batch_size, shuffle=True, collate_fn=padded_batch, drop_last=True
        )
        self._optimizer = torch.optim.AdamW(detector.parameters(), 1e-4, weight_decay=params.weight_decay)
        self._generator = torch.Generator(recipe.device).manual_seed(1)

    def epoch(self) -> float:
        """Train on every frame once; returns the mean loss."""
        torch.set_num_threads(self._threads)
        losses = [self._step(batch.to(self._recipe.device)) for batch in self._loader]
        return sum(losses) / len(losses)

    def _step(self, batch: FrameBatch) -> float:
        recipe, generator = self._recipe, self._generator
        self._detector.train()
        with torch.no_grad():
            views, _ = make_views(batch, recipe.grid)
            pasted = paste_pseudo_anomalies(views, recipe.grid, recipe.mix, TRAINING, generator)
            views, targets = augment(*pasted, recipe.params.fog_fraction, generator)
        loss = detection_loss(self._detector(views), views, targets, recipe.params)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._detector.parameters(), recipe.params.max_gradient_norm)
        self._optimizer.step()
        return loss.item()
