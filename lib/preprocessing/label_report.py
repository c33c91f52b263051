"""Label sources and their agreement by scenario, for plots/scenarios.csv and the log of preprocess."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lib.anovox.format import layout
from lib.preprocessing.label_checks import Objection
from lib.preprocessing.statistics import Statistics, label_fractions, label_metrics, worst_scenarios
from lib.shards.index import ShardEntry

SCENARIO_COLUMNS: Final = (
    *("scenario", "type", "town", "weather", "frames", "frames_with_anomaly"),
    *label_fractions(Statistics()),
)
_AGREEMENTS: Final = {
    "depth_agreement": "depth_agreement_off_outlines",
    "class_agreement": "class_agreement_off_outlines",
    "voxel_agreement": "in_voxel_fraction",
    "image_agreement": "image_agreement",
}
_WHAT: Final = {
    "depth_agreement_off_outlines": "camera and LiDAR depths agree least",
    "class_agreement_off_outlines": "camera and LiDAR classes agree least",
    "in_voxel_fraction": "semantic points and the voxel grid agree least",
    "voxel_agreement": "point labels and the voxel grid agree least",
    "unlabelled_fraction": "most points lack a label",
}


def scenario_rows(entries: Sequence[ShardEntry], by_scenario: Mapping[str, Statistics]) -> list[dict[str, Any]]:
    """One row of SCENARIO_COLUMNS per scenario, over all its cameras; undefined fractions are empty."""
    shards: dict[str, list[ShardEntry]] = {}
    for entry in entries:
        shards.setdefault(entry.scenario, []).append(entry)
    return [
        {
            "scenario": name,
            "type": cameras[0].type.value,
            "town": cameras[0].town,
            "weather": cameras[0].weather,
            "frames": sum(entry.frames for entry in cameras),
            "frames_with_anomaly": sum(entry.frames_with_anomaly for entry in cameras),
            **label_metrics(by_scenario[name]),
        }
        for name, cameras in shards.items()
    ]


def objection_sentence(found: Sequence[Objection]) -> str:
    """Error message of preprocess: all objections, and the remedy for the first."""
    first, *others = found
    more = f" (also: {'; '.join(each.what for each in others)})" if others else ""
    return (
        f"labels: {first.what}{more}; {first.remedy}; `python -m tools.check` has details; `preprocess.trust_labels: "
        "true` ignores these checks"
    )


def agreement_metrics(by_scenario: Mapping[str, Statistics], objections: int, trusted: bool) -> dict[str, float | bool]:
    """Content of metrics/labels.json: agreements of a data set, number of objections, and whether it was trusted."""
    metrics = label_metrics(sum(by_scenario.values(), Statistics()))
    values = {name: metrics[key] for name, key in _AGREEMENTS.items() if key in metrics}
    return {**values, "objections": objections, "trust_labels": trusted}


def class_text(kind: str, class_id: int) -> str:
    """Text for a class id that AnoVox does not define: a number, or a colour in the old sample layout."""
    return f"#{class_id:06x}" if kind in layout.OLD_FILE_ENDINGS else str(class_id)


def label_sentences(by_scenario: Mapping[str, Statistics]) -> list[str]:
    """Log messages on the scenarios with the worst agreement and on class ids that AnoVox does not define."""
    sentences = [
        f"labels: {_WHAT[key]} in {name}: {value:.2%}"
        for key, (name, value) in worst_scenarios(by_scenario).items()
        if key in _WHAT and (key != "unlabelled_fraction" or value > 0)
    ]
    for name, statistics in sorted(by_scenario.items()):
        for kind in sorted({kind for kind, _ in statistics.undefined_ids}):
            ids = sorted(class_id for found, class_id in statistics.undefined_ids if found == kind)
            shown = ", ".join(class_text(kind, class_id) for class_id in ids[:10])
            what = "colours" if kind in layout.OLD_FILE_ENDINGS else "class ids"
            sentences.append(
                f"labels: {name}: {kind} holds {what} that AnoVox does not define, taken as unknown (255): "
                f"{shown}{' ...' if len(ids) > 10 else ''}"
            )
    return sentences
