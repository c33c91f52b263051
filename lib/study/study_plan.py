"""Plan of a study: all variants and baselines, each with several training seeds, on data with a separate seed."""

from dataclasses import dataclass
from typing import Final, Literal

Scale = Literal["default", "large", "apart"]
Kind = Literal["detector", "baselines"]
Value = int | float | str

TRAINING_SEEDS: Final = (1, 2, 3)
VARIANTS: Final = ("concat", "lidar", "image", "cross_attention")
LOST: Final = {"without image": "image", "without LiDAR": "lidar"}
"""Additional rows of variants with both sensors, which are also tested with predict.blackout."""
SENSORS: Final = ("image", "lidar", "concat")
METHODS: Final = ("nearest_neighbour", "mahalanobis", "max_softmax", "energy")
BASELINES: Final = tuple(f"{sensors} {method}" for sensors in SENSORS for method in METHODS)

DATA: Final[dict[Scale, dict[str, Value]]] = {
    "default": {"simulate.seed": 7101},
    "large": {
        "simulate.seed": 7204,
        "simulate.normality_scenarios": 3000,
        "simulate.anomaly_scenarios": 300,
        "simulate.frames_per_scenario": 3,
        "split.validation_fraction": 0.03,
        "split.test_fraction": 0.05,
        "train.epochs": 20,
        "predict.frame_score": "top_points",
    },
    "apart": {
        "simulate.seed": 7301,
        "simulate.lidar_offset_m": "[-0.5,0.4,0.6]",
        "simulate.lidar_time_offset_s": 0.05,
        "simulate.calibration_jitter_deg": 1.0,
        "simulate.calibration_jitter_m": 0.05,
        "preprocess.trust_labels": True,
    },
}
"""Changes of params.yaml for each scale. These simulator seeds are used for nothing else, so that no choice was made on
these tests. Large: 2760 scenarios (8280 frames) for training, 450 for testing, and the frame score that is best on its
validation. Apart: the default size, but camera and LiDAR are at different places, record at different times and have a
calibration error, which attention may compensate; preprocess would stop without trust_labels."""


@dataclass(frozen=True)
class Run:
    """One run of the pipeline (`detector`) with additional tests under blackout, or a run of all baselines.

    Gives one row per name.
    """

    scale: Scale
    kind: Kind
    names: tuple[str, ...]
    seed: int
    changes: tuple[tuple[str, Value], ...]

    @property
    def rows(self) -> tuple[str, ...]:
        """Identifiers of its rows."""
        return tuple(row_id(self.scale, name, self.seed) for name in self.names)

    def changes_of(self, name: str) -> dict[str, Value]:
        """Changes of params.yaml for a row."""
        lost = next((sensor for suffix, sensor in LOST.items() if name.endswith(f" {suffix}")), None)
        return dict(self.changes) | ({"predict.blackout": lost} if lost else {})


def row_id(scale: str, name: str, seed: int) -> str:
    """Identifier of a row in docs/results.json."""
    return f"{scale}/{name}/seed {seed}"


def plan(scale: Scale, extra: dict[str, Value]) -> list[Run]:
    """Runs of a scale, the most important first; `extra`: further changes of params for all of them."""
    data = DATA[scale] | extra
    runs: list[Run] = []
    for seed in TRAINING_SEEDS[:1] if scale == "large" else TRAINING_SEEDS:
        changes = data | {"train.seed": seed}
        for variant in variants(scale):
            names = row_names(variant)
            runs.append(Run(scale, "detector", names, seed, tuple((changes | {"model.fusion": variant}).items())))
        if scale != "apart":
            runs.append(Run(scale, "baselines", BASELINES, seed, tuple(changes.items())))
    later = [run for run in runs if run.kind == "baselines" and (run.seed > TRAINING_SEEDS[0] or scale == "large")]
    return [run for run in runs if run not in later] + later


def variants(scale: Scale) -> tuple[str, ...]:
    """Variants of the detector in a scale."""
    return ("concat", "cross_attention") if scale == "apart" else VARIANTS


def row_names(variant: str) -> tuple[str, ...]:
    """Names of a variant's rows: without and with a blackout."""
    return (variant,) if variant in ("image", "lidar") else (variant, *(f"{variant} {suffix}" for suffix in LOST))


def command(run: Run) -> str:
    """Command for a run's first row."""
    return commands(run)[0]


def commands(run: Run) -> list[str]:
    """Commands for all rows of a run; for a detector one per row, of which the first one trains."""
    if run.kind == "baselines":
        return [f"dvc exp run {_settings(dict(run.changes))} preprocess && python -m tools.baselines"]
    first, *lost = run.names
    rest = [f"dvc exp run {_settings(run.changes_of(name))} evaluate" for name in lost]
    return [f"dvc exp run {_settings(run.changes_of(first))}", *rest]


def _settings(changes: dict[str, Value]) -> str:
    return " ".join(f"-S {key}={value}" for key, value in changes.items())
