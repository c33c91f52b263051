"""What differs between AnoVox's layouts in the files themselves: how clouds and class images are read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.anovox import files


@dataclass(frozen=True)
class Decoders:
    """Readers of a layout's files; each raises FileError for a file that cannot be used.

    class_image(path, height, width): (H, W) uint8 class ids; lidar(path): (N, 4) float32 x, y, z, intensity;
    semantic_lidar(path): (N, 4) float64 x, y, z, class id; cloud_size(path): points of a LIDAR file by its header;
    undefined_ids(path): the class ids, or colours as 0xRRGGBB, of a label file that AnoVox does not define.
    """

    class_image: Callable[[Path, int, int], npt.NDArray[np.uint8]]
    lidar: Callable[[Path], npt.NDArray[np.float32]]
    semantic_lidar: Callable[[Path], npt.NDArray[np.float64]]
    cloud_size: Callable[[Path], int]
    undefined_ids: Callable[[Path], tuple[int, ...]]


RELEASE: Final = Decoders(
    class_image=files.read_class_image,
    lidar=files.read_lidar,
    semantic_lidar=files.read_semantic_lidar,
    cloud_size=files.lidar_size,
    undefined_ids=files.undefined_ids,
)
