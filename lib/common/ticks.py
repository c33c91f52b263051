"""AnoVox's ticks, in which drives are recorded and the past is counted."""

from typing import Final

TICKS_PER_SECOND: Final = 10
"""AnoVox's recording rate."""
