"""The stage `export`: its file gives the detector, and all that scoring needs, back; its card says what is true."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import anovox_fusion
from lib.common.errors import DataError, ParamsError
from lib.export.model_record import load_record, write_record
from lib.model.detector import build_detector
from lib.model.model_file import load_detector, save_detector, scenarios_seen
from lib.model.weights_file import model_fingerprint, read_model, write_model
from lib.shards.validation_scores import read_validation, write_validation
from stages import export
from tests.all_params import all_params
from tests.exported import WITH_PAST, write_trained
from tools.smoke import set_params

MODEL, WEIGHTS, CARD = (Path("models", name) for name in ("detector.safetensors", "weights.safetensors", "detector.md"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write_trained(root)
    return root


@pytest.fixture
def project(trained, tmp_path, monkeypatch):
    """A project before `export`; the working directory."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def metrics(name):
    return json.loads(Path("metrics", f"{name}.json").read_text())


def test_the_file_alone_gives_weights_and_record_back(project):
    export.main()
    weights, exported = load_detector(WEIGHTS), load_detector(MODEL)
    assert exported.config == weights.config and scenarios_seen(MODEL) == {"Scenario_t0", "Scenario_t1"}
    assert all(torch.equal(exported.state_dict()[name], value) for name, value in weights.state_dict().items())

    record, params, validation = load_record(MODEL), all_params(), read_validation(Path("data/validation.h5"))
    assert anovox_fusion.load_record(MODEL) == record
    assert record.predict == params.predict and record.outside_shift == validation.outside_shift == -0.5
    sections = ("simulate", "preprocess", "split", "model", "train", "evaluate")
    assert record.params == {name: getattr(params, name).model_dump(mode="json") for name in sections}
    assert record.metrics == {name: metrics(name) for name in ("evaluate", "train", "data", "labels")}
    assert record.trained_on == read_model(WEIGHTS).trained_on
    assert record.weights == model_fingerprint(WEIGHTS) == validation.model_fingerprint
    fit = metrics("evaluate")["calibration"]["point"]
    assert record.point.probability is not None
    assert record.point.probability.slope == fit["slope"] and record.point.probability.intercept == fit["intercept"]
    assert (validation.frame_score >= record.frame.thresholds[0].score).mean() == pytest.approx(0.1, abs=0.01)
    assert record.card == CARD.read_text()


def test_again_gives_the_same_bytes(project):
    export.main()
    first = MODEL.read_bytes(), CARD.read_bytes()
    export.main()
    assert (MODEL.read_bytes(), CARD.read_bytes()) == first
    assert sorted(path.name for path in Path("models").iterdir()) == [CARD.name, MODEL.name, WEIGHTS.name]


def test_the_cards_numbers_are_the_metrics_and_it_fits_two_pages(project):
    export.main()
    card, found, record = CARD.read_text(), metrics("evaluate"), load_record(MODEL)
    names = {
        "frames": "frame",
        "LiDAR points in the camera's view": "point",
        "all LiDAR points": "point_all",
        "pixels": "pixel",
        "voxels in the camera's view": "voxel",
    }
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in card.splitlines() if line.startswith("|")]
    rows = {row[0]: row[1:] for row in cells}
    for name, level in names.items():
        numbers = [float(number.replace(",", "")) for cell in rows[name] for number in re.findall(r"[\d.,]+\d", cell)]
        keys = ("auroc", "auroc_low", "auroc_high", "ap", "ap_low", "ap_high", "fpr95", "positives", "negatives")
        assert numbers == pytest.approx([round(found[level][key], 3) for key in keys]), level
    assert rows["10.0%"] == [f"{level.thresholds[0].score:.3f}" for level in record.levels.values()]
    assert rows["1.0%"][0] == "too few to tell"
    assert rows["used in training"] == ["2 scenarios: 21 frames to learn from, 6 to validate on"]
    assert rows["all data"] == ["15 scenarios (9 normality, 6 static), 51 frames"]
    assert rows["camera"] == ["72 x 48 pixels, 90.0 x 67.4 degrees"]
    for words in ("On 8 test scenarios", "epochs 20", "4,711 parameters", record.weights, "torch 2.13.0", "0a1b"):
        assert words in card, words
    assert len(card.splitlines()) < 120 and len(card.split()) < 1200
    assert not re.search(r"\bNone\b|\bnan\b| \? ", card)


def test_a_detector_with_a_window_says_what_it_needs(project):
    """Its file also says how the vehicle ahead was followed, and the card how the past is shown."""
    export.main()
    assert "Each frame is judged by itself." in CARD.read_text() and "stream" not in CARD.read_text()
    content = read_model(WEIGHTS)
    detector = build_detector(WITH_PAST)
    save_detector(WEIGHTS, detector, content.trained_on)
    fingerprint, validation = model_fingerprint(WEIGHTS), Path("data/validation.h5")
    write_validation(validation, replace(read_validation(validation), model_fingerprint=fingerprint))
    set_params(project / "params.yaml", {"model.window": list(WITH_PAST.window)})
    export.main()
    record, card = load_record(MODEL), CARD.read_text()
    assert record.params["track"] == all_params().track.model_dump(mode="json") and record.card == card
    for words in ("0.2, 0.5 and 1 s back", "at 10 Hz", "pose", "detector.stream()", "the vehicle ahead brakes fully"):
        assert words in card, words
    assert "judged by itself." not in card and "{" not in card
    assert anovox_fusion.load(MODEL, "cpu").window == WITH_PAST.window
    anovox_fusion.load(MODEL, "cpu").stream()


def test_levels_that_could_not_be_computed_are_left_out_of_the_card(project):
    less = metrics("evaluate")
    for name in ("voxel", "calibration", "frame"):
        del less[name]
    Path("metrics/evaluate.json").write_text(json.dumps(less))
    export.main()
    assert "| voxels" not in CARD.read_text() and "Probability" not in CARD.read_text()
    assert load_record(MODEL).frame.probability is None


def fails(match, error=DataError):
    with pytest.raises(error, match=match):
        export.main()
    assert not MODEL.exists() and not CARD.exists()


def test_inputs_of_different_runs_are_refused(project):
    scores = metrics("evaluate")
    Path("metrics/evaluate.json").write_text(json.dumps(scores | {"outside_shift": -0.25}))
    fails(r"metrics/evaluate.json: is of other scores than data/validation.h5; run `dvc repro evaluate`")
    weights = read_model(WEIGHTS)
    weights.weights["cell_head.bias"][0] += 1
    WEIGHTS.unlink()
    write_model(WEIGHTS, weights)
    fails(r"data/validation.h5: is of another model than models/weights.safetensors; run `dvc repro predict`")


@pytest.mark.parametrize("name", ["evaluate", "train", "data", "labels"])
def test_missing_metrics_are_named(project, name):
    Path("metrics", f"{name}.json").unlink()
    fails(rf"metrics/{name}.json: cannot be read \(No such file or directory\); run `dvc repro`")


def test_wrong_params_and_missing_weights_are_named(project):
    set_params(project / "params.yaml", {"predict.score": "best"})
    fails("predict.score", ParamsError)
    WEIGHTS.unlink()
    shutil.copy(Path(__file__).parents[2] / "params.yaml", project)
    fails("models/weights.safetensors: there is no model file")


def test_only_weights_are_no_record(project):
    with pytest.raises(DataError, match="holds only weights; run `dvc repro export`"):
        load_record(WEIGHTS)


def test_every_flipped_bit_and_every_cut_is_noticed(project):
    export.main()
    whole, generator = MODEL.read_bytes(), np.random.default_rng(1)
    header = 8 + int.from_bytes(whole[:8], "little")
    damaged = Path("damaged.safetensors")
    places = [*generator.integers(0, header, 150), *generator.integers(header, len(whole), 50)]
    for place in places:
        content = bytearray(whole)
        content[place] ^= 1 << generator.integers(8)
        damaged.write_bytes(content)
        for read in (load_record, load_detector):
            try:
                read(damaged)
            except DataError as error:
                assert "damaged.safetensors" in str(error) and len(str(error).splitlines()) == 1
            else:
                raise AssertionError(f"bit flipped in byte {place} of {header}, unnoticed by {read.__name__}")
    for length in (0, 7, 100, header - 1, header, len(whole) - 1):
        damaged.write_bytes(whole[:length])
        with pytest.raises(DataError, match="not a detector written by this pipeline"):
            load_record(damaged)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"outside_shift": "none"}, "outside_shift: Input should be a valid number"),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"predict": {}}, "predict.blackout: Field required"),
        ({"card": None}, "card: Input should be a valid string"),
    ],
)
def test_a_record_of_another_shape_is_refused(project, change, words):
    export.main()
    content = read_model(MODEL)
    assert content.record is not None
    write_model(Path("strange.safetensors"), replace(content, record={**content.record, **change}))
    with pytest.raises(DataError, match=re.escape(words)):
        load_record(Path("strange.safetensors"))


def test_a_record_can_be_written_to_any_place(project):
    export.main()
    record = load_record(MODEL)
    write_record(Path("elsewhere/copy.safetensors"), read_model(WEIGHTS), record)
    assert Path("elsewhere/copy.safetensors").read_bytes() == MODEL.read_bytes()
