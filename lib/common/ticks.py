"""AnoVox's ticks, in which drives are recorded and the past is counted."""

from typing import Final

TICKS_PER_SECOND: Final = 10
"""AnoVox's recording rate."""
TICK_S: Final = 1 / TICKS_PER_SECOND
HISTORY_TICKS: Final = 10
"""So far back reaches the past that a detector may look at."""
SINGLE_FRAME: Final = (0,)
"""The window, as lags in ticks, of a detector that looks at each frame by itself."""
