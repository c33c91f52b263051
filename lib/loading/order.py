"""The order of the frames in an epoch: a pure function of the frames, seed and epoch.

Data that fits into one window is shuffled as a whole. Larger data is shuffled by blocks: neighbours in a shard are read
together, blocks of the whole data set meet in a window, and the frames of a window are mixed. So what is read within
some time lies in few places on the disk, and is read once. To continue an epoch after k frames, drop the first k.
"""

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.loading.dataset import FrameRef

BLOCK_FRAMES: Final = 16
WINDOW_BYTES: Final = 2 << 30


def window_frames(frame_bytes: int) -> int:
    """How many frames of a size are mixed at a time: 2 GiB of them, at least a block."""
    return max(BLOCK_FRAMES, WINDOW_BYTES // frame_bytes)


def shuffled(refs: Sequence[FrameRef], seed: int, epoch: int, window: int) -> list[int]:
    """Return the places in `refs` in the order of an epoch; `window` frames are mixed at a time."""
    generator = np.random.default_rng([seed, epoch])
    places: Sequence[int] = range(len(refs))
    if len(refs) > window:
        parts = blocks(refs)
        places = list(chain.from_iterable(parts[i] for i in generator.permutation(len(parts))))
    order: list[int] = []
    for start in range(0, len(places), window):
        mixed: npt.NDArray[np.int64] = generator.permutation(min(window, len(places) - start))
        order.extend(places[start + int(i)] for i in mixed)
    return order


def blocks(refs: Sequence[FrameRef]) -> list[range]:
    """Cut the places of frames into blocks of up to BLOCK_FRAMES of one shard."""
    starts = [0]
    for i in range(1, len(refs)):
        if refs[i].shard != refs[i - 1].shard or i - starts[-1] == BLOCK_FRAMES:
            starts.append(i)
    return [range(start, stop) for start, stop in pairwise([*starts, len(refs)])] if refs else []
