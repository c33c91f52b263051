"""What a study runs: every variant and the field's baselines, each over training seeds, on data of its own seed."""

from dataclasses import dataclass
from typing import Final, Literal

Scale = Literal["default", "large", "apart"]
Kind = Literal["detector", "baselines"]
Value = int | float | str

TRAINING_SEEDS: Final = (1, 2, 3)
VARIANTS: Final = ("concat", "lidar", "image", "cross_attention")
LOST: Final = {"without image": "image", "without LiDAR": "lidar"}
"""Rows of a variant of both sensors that is tested once more with one of them lost: predict.blackout."""
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
"""What each scale changes in params.yaml. The simulator's seeds are used for nothing else, so that no recipe was chosen
on these tests. Large: 2760 scenarios (8280 frames) to train, 450 scenarios to test, and the frame score that validation
there rates best. Apart: the default size, but camera and LiDAR stand apart, look at different times and are calibrated
with an error, so that attention has much to mend, and preprocess, which would stop, is told to trust it."""


@dataclass(frozen=True)
class Run:
    """One run of the pipeline (`detector`), and tests of the same model with a sensor lost; or all of the field's
    baselines. Makes one row per name.
    """

    scale: Scale
    kind: Kind
    names: tuple[str, ...]
    seed: int
    changes: tuple[tuple[str, Value], ...]

    @property
    def rows(self) -> tuple[str, ...]:
        """Identifiers of the rows it makes."""
        return tuple(row_id(self.scale, name, self.seed) for name in self.names)

    def changes_of(self, name: str) -> dict[str, Value]:
        """What a row's test changes in params.yaml."""
        lost = next((sensor for suffix, sensor in LOST.items() if name.endswith(f" {suffix}")), None)
        return dict(self.changes) | ({"predict.blackout": lost} if lost else {})


def row_id(scale: str, name: str, seed: int) -> str:
    """Identifier of a row in docs/results.json."""
    return f"{scale}/{name}/seed {seed}"


def plan(scale: Scale, extra: dict[str, Value]) -> list[Run]:
    """A scale's runs, the most important first; `extra` changes params in all of them (after the scale's own)."""
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
    """The detector's variants that a scale compares."""
    return ("concat", "cross_attention") if scale == "apart" else VARIANTS


def row_names(variant: str) -> tuple[str, ...]:
    """A variant's rows: its own, and those with a sensor lost."""
    return (variant,) if variant in ("image", "lidar") else (variant, *(f"{variant} {suffix}" for suffix in LOST))


def command(run: Run) -> str:
    """The command a user would type for a run's first row."""
    return commands(run)[0]


def commands(run: Run) -> list[str]:
    """What a user would type for all of a run: for a detector a command per row, of which the first one trains."""
    if run.kind == "baselines":
        return [f"dvc exp run {_settings(dict(run.changes))} preprocess && python -m tools.baselines"]
    first, *lost = run.names
    rest = [f"dvc exp run {_settings(run.changes_of(name))} evaluate" for name in lost]
    return [f"dvc exp run {_settings(run.changes_of(first))}", *rest]


def _settings(changes: dict[str, Value]) -> str:
    return " ".join(f"-S {key}={value}" for key, value in changes.items())
