"""AnoVox's ticks, in which drives are recorded and the past is counted."""

from typing import Final

TICKS_PER_SECOND: Final = 10
"""AnoVox's recording rate."""
HISTORY_TICKS: Final = 10
"""So far back reaches the past that a detector may look at."""
