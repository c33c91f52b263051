"""Where stages read and write, relative to the repository's root. dvc.yaml names the same paths."""

from pathlib import Path
from typing import Final

PARAMS: Final = Path("params.yaml")
PARAMS_CHECKED: Final = Path("data/params_checked.txt")
SAMPLE: Final = Path("data/sample")
SHARDS: Final = Path("data/shards")
WEIGHTS: Final = Path("models/weights.safetensors")
PREDICTIONS: Final = Path("data/predictions")
VALIDATION_SCORES: Final = Path("data/validation.h5")
TRACKS: Final = Path("data/tracks")
MODEL: Final = Path("models/detector.safetensors")
MODEL_CARD: Final = Path("models/detector.md")

DATA_METRICS: Final = Path("metrics/data.json")
LABEL_METRICS: Final = Path("metrics/labels.json")
TRAIN_METRICS: Final = Path("metrics/train.json")
EVALUATE_METRICS: Final = Path("metrics/evaluate.json")
SUMMARY: Final = Path("metrics/summary.json")

TABLES: Final = Path("plots")
SCENARIO_TABLE: Final = TABLES / "scenarios.csv"
TRAINING_TABLE: Final = TABLES / "training.csv"
LABEL_SHEETS: Final = Path("plots/labels")
FIGURES: Final = Path("plots/figures")
DETECTIONS: Final = Path("plots/detections")

TRAINING_LOG: Final = Path("logs/train.log")
BASELINES: Final = Path("data/baselines")
"""Written by tools.baselines, not by a stage."""
