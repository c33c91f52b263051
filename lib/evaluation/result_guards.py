"""What makes an evaluation's numbers meaningless, said before anybody believes them."""

import logging
from typing import Final

from lib.common.errors import DataError
from lib.evaluation.levels import LEVELS
from lib.evaluation.pooling import ScoredTest
from lib.evaluation.pools import ALL

FEW_SCENARIOS: Final = 10
_LOG = logging.getLogger(__name__)


def check_scores(test: ScoredTest) -> None:
    """Raise DataError when all scores of a level are equal: its AUROC of 0.5 would only look like one."""
    for level in (level for level in LEVELS if level in test.pools):
        values = test.pools[level].ranking().values
        if len(values) == 1:
            raise DataError(
                f"all {level} scores of the test set are {values[0]:g}: the model has collapsed or the predictions "
                "are empty; look at metrics/train.json and train anew (`dvc repro -f train`)"
            )


def check_size(test: ScoredTest) -> None:
    """Warn of levels whose intervals rest on few scenarios; raises DataError where there is but one to resample."""
    if len(test.strata) < 2:
        raise DataError(
            f"the test set is one scenario ({next(iter(test.strata), 'none')}), and no interval can be made by "
            "resampling one; raise split.test_fraction or give data.root more scenarios"
        )
    pools = {level: pool for level, pool in test.pools.items() if level in LEVELS}
    counts = {level: (pool.positives[ALL].scenarios, pool.negatives.scenarios) for level, pool in pools.items()}
    few = [f"{level} ({one}, {other})" for level, (one, other) in counts.items() if min(one, other) < FEW_SCENARIOS]
    if few:
        _LOG.warning(
            "the test set is small: intervals over fewer than %d scenarios are too narrow to rely on; scenarios with "
            "anomalous and with normal items: %s",
            *(FEW_SCENARIOS, ", ".join(few)),
        )
