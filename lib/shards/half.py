"""float32 to float16 several times as fast as NumPy does it, to the same bits."""

from typing import Final

import numpy as np
import numpy.typing as npt

_SMALLEST, _LARGEST = float(np.finfo(np.float16).smallest_normal), float(np.finfo(np.float16).max)
_MANTISSA_BITS: Final = 23 - 10
_EXPONENT_BIAS: Final = (127 - 15) << 23


def as_float16(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """Values (any shape) as float16, to the nearest, ties to even; positive ones of ordinary size are fast."""
    if not values.size or not (values.min() >= _SMALLEST and values.max() <= _LARGEST):
        return values.astype(np.float16)
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = bits + ((bits >> _MANTISSA_BITS) & 1)  # a tie goes up only from an odd number
    rounded -= _EXPONENT_BIAS + 1 - (1 << (_MANTISSA_BITS - 1))
    rounded >>= _MANTISSA_BITS
    return rounded.astype(np.uint16).view(np.float16)
