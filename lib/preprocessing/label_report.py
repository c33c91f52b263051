"""Label sources and their agreement, scenario by scenario: plots/scenarios.csv and the log of preprocess."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lib.anovox.format import layout
from lib.preprocessing.judgement import Objection
from lib.preprocessing.statistics import Statistics, label_metrics, worst_scenarios
from lib.shards.index import ShardEntry

LABEL_COLUMNS: Final = (
    "row_match_fraction",
    "direction_match_fraction",
    "voxel_label_fraction",
    "unlabelled_fraction",
    "depth_agreement",
    "class_agreement",
    "depth_agreement_off_outlines",
    "class_agreement_off_outlines",
    "anomaly_agreement",
    "hidden_fraction",
    "image_agreement",
    "voxel_agreement",
    "in_voxel_fraction",
    "around_fraction",
)
SCENARIO_COLUMNS: Final = ("scenario", "type", "town", "weather", "frames", "frames_with_anomaly", *LABEL_COLUMNS)
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
    """One row of SCENARIO_COLUMNS per scenario, its cameras together; a share of nothing is left empty."""
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
    """Why preprocess stops: what speaks against the labels and calibration, the first with what to do about it."""
    first, *others = found
    more = f" (also: {'; '.join(each.what for each in others)})" if others else ""
    return (
        f"labels: {first.what}{more}; {first.remedy}; `python -m tools.check` says more, and `preprocess.trust_labels: "
        "true` goes on all the same"
    )


def agreement_metrics(by_scenario: Mapping[str, Statistics], objections: int, trusted: bool) -> dict[str, float | bool]:
    """metrics/labels.json: the agreements of a data set, how much speaks against it, and whether it was trusted."""
    metrics = label_metrics(sum(by_scenario.values(), Statistics()))
    shares = {name: metrics[key] for name, key in _AGREEMENTS.items() if key in metrics}
    return {**shares, "objections": objections, "trust_labels": trusted}


def class_text(kind: str, class_id: int) -> str:
    """A class id that AnoVox does not define as people read it: a number, in the old sample layout a colour."""
    return f"#{class_id:06x}" if kind in layout.OLD_FILE_ENDINGS else str(class_id)


def label_sentences(by_scenario: Mapping[str, Statistics]) -> list[str]:
    """For the log: the scenarios that do worst, class ids by file kind that AnoVox does not define."""
    sentences = [
        f"labels: {_WHAT[key]} in {name}: {share:.2%}"
        for key, (name, share) in worst_scenarios(by_scenario).items()
        if key in _WHAT and (key != "unlabelled_fraction" or share > 0)
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
