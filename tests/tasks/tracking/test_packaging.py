"""The champion: from a fitted method to a registered classifier that any process can load."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from safetensors import safe_open
from safetensors.numpy import save

from tasks.steps.result_specs import MetricsSpec
from tasks.steps.specs import ExamplesSpec, MethodSettings, StatesFitSpec
from tasks.steps.step import PlannedFit, Step
from tasks.tracking.active_run import open_run
from tasks.tracking.packaging import load_classifier, packaged_classifier
from tasks.tracking.registered import find_classifier
from tasks.tracking.registry import register
from tasks.tracking.store import store
from tests.vocabsem.architectures import save as save_model
from vocabsem.cards.schema import DatasetCard
from vocabsem.errors import BadInput, DataError
from vocabsem.methods import LabelSpace, build_method
from vocabsem.methods.persistence import to_arrays
from vocabsem.models.language_model import load_model
from vocabsem.prompts.prompting import encode_prompts
from vocabsem.states.extraction import extract
from vocabsem.text_models.text_classifier import TextClassifier
from warehouse.home import Home

pytestmark = pytest.mark.medium

SETTINGS = {
    "layers": ["1:mean", 3],
    "pooling": "last",
    "dtype": "float32",
    "max_tokens": 24,
    "prepend_bos": False,
    "shard_rows": 3,
}
TEXTS = ["the good film", "a bad dull story", "great", "the plot of this film was moving and good"]


def column(texts):
    return pd.DataFrame({"text": pd.Series(texts, dtype=object)})


def entry(model, fields=("text",), key_of="first"):
    template = " ".join(f"{name} : {{{name}}}" for name in fields) + " sentiment :"
    dataset = DatasetCard.model_validate(
        {
            "name": "films",
            "description": "made up",
            "license": "CC0-1.0",
            "files": {"train": "file:train.csv", "test": "file:test.csv"},
            "format": "csv",
            "fields": {name: name for name in fields},
            "label_column": "label",
            "labels": [
                {"name": "negative", "value": 0, "word": "bad"},
                {"name": "positive", "value": 1, "word": "good"},
                {"name": "so-so", "value": 2, "word": "dull"},
            ],
            "template": template,
        }
    )
    examples = Step(ExamplesSpec(dataset="films", card={}, hashes={"of": key_of}, limits={}))
    spec = StatesFitSpec(
        model=model.name,
        dataset="films",
        name="linear_probe",
        shots="all",
        method=MethodSettings(name="linear_probe", params={}),
        words=dataset.label_words,
        word_tokens="first",
        seeds=[0],
        states=[],
        anchors=examples.key,
    )
    predictions = Step(spec)
    return PlannedFit(
        model=model,
        dataset=dataset,
        name="linear_probe",
        method="linear_probe",
        shots="all",
        control=False,
        servable=True,
        examples=examples,
        predictions=predictions,
        metrics=Step(MetricsSpec(**predictions.coordinates, predictions=predictions.key)),
    )


def fit(entry, home):
    """A probe on made-up examples, as the tasks store it, and its probabilities for TEXTS computed here."""
    network = load_model(entry.model, home.cache, dtype="float32", device="cpu")

    def states(texts):
        rows = [dict.fromkeys(entry.dataset.fields, text) for text in texts]
        prompts = encode_prompts(
            network.tokenizer, entry.dataset.template, rows, max_tokens=SETTINGS["max_tokens"], prepend_bos=False
        )
        each = extract(network, prompts.token_ids, SETTINGS["layers"])
        return np.concatenate([each["1:mean"], each[3]], axis=1)  # (N, 2·d)

    rng = np.random.default_rng(0)
    space = LabelSpace(rng.normal(size=(3, 32)), rng.normal(size=(3, 32)), np.zeros(3))
    words = ["good", "bad", "dull", "great", "film", "story", "moving", "plot", "review"]
    train = [f"the {a} {b}" for a in words for b in words]
    method = build_method("vocabulary_calibrator", {"layers": 2}, space, random_state=0).fit(
        states(train), np.arange(len(train)) % 3
    )
    arrays, metadata = to_arrays(method)
    path = home.root / "seed-0.safetensors"
    path.write_bytes(save(arrays, {"estimator": json.dumps(metadata)}))
    return path, method.predict_proba(states(TEXTS))


def enter(home, run, name, calibrator, entry):
    """What the recording of a run does with the best of a data set."""
    with packaged_classifier(home, entry, SETTINGS, calibrator) as folder:
        return register(home, run, name, folder, entry)


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("it's 100% a home #1 é"))
    one = entry(save_model("llama", home.root / "model"))
    calibrator, expected = fit(one, home)
    run = open_run(home, {"name": "films", "description": ""}, {})
    version = enter(home, run, "vocabsem-films", calibrator, one).version
    return home, one, calibrator, run, version, expected


def test_gives_the_probabilities_of_the_method_it_was_made_from(registered):
    home, *_, expected = registered
    frame = load_classifier(home, "vocabsem-films@champion").predict(column(TEXTS))
    assert list(frame.columns) == ["label", "negative", "positive", "so-so"]
    np.testing.assert_allclose(frame.iloc[:, 1:], expected, atol=1e-6)  # float32 states, other batches
    assert frame["label"].tolist() == [["negative", "positive", "so-so"][i] for i in expected.argmax(axis=1)]


@pytest.mark.parametrize("model", ["vocabsem-films", "vocabsem-films@champion", "vocabsem-films/1"])
def test_takes_the_column_of_its_name_wherever_it_stands(registered, model):
    classifier = load_classifier(registered[0], model)
    expected = classifier.predict(column(TEXTS))
    pd.testing.assert_frame_equal(classifier.predict(pd.Series(TEXTS, name="text")), expected)
    wide = pd.DataFrame({"id": TEXTS[::-1], "text": TEXTS, "stars": range(4)})
    pd.testing.assert_frame_equal(classifier.predict(wide), expected)
    assert len(classifier.predict(column([]))) == 0
    for other in (TEXTS, pd.Series(TEXTS), pd.DataFrame({"Text": TEXTS, "id": TEXTS})):
        with pytest.raises(mlflow.MlflowException, match=r"Model is missing inputs \['text'\]"):
            classifier.predict(other)


def test_the_signature_names_the_fields_and_the_params(registered):
    signature = load_classifier(registered[0], "vocabsem-films").metadata.signature
    assert signature.inputs.to_dict() == [{"name": "text", "type": "string", "required": True}]
    (param,) = signature.params.params
    assert (param.name, param.dtype.name, param.default) == ("truncate", "boolean", True)
    assert signature.outputs.input_names() == ["label", "negative", "positive", "so-so"]


def test_a_text_over_the_limit_is_truncated_or_refused(registered):
    classifier = load_classifier(registered[0], "vocabsem-films")
    texts = column(["good", "the plot of this film was moving and good " * 5])
    assert len(classifier.predict(texts)) == 2
    with pytest.raises(mlflow.MlflowException, match="row 1 is over 24 tokens with its template"):
        classifier.predict(texts, params={"truncate": False})
    assert len(classifier.predict(texts[:1], params={"truncate": False})) == 1


def test_a_long_text_is_read_in_chunks_where_those_of_the_fit_were(registered):
    home, one, calibrator, *_ = registered
    half = "the plot of this film was moving"
    text = f"{half} {half}"
    with packaged_classifier(home, one, SETTINGS | {"max_chunks": 2}, calibrator) as folder:
        classifier = TextClassifier(folder)
        together = classifier.predict_proba([{"text": text}, *({"text": each} for each in TEXTS)], truncate=False)
        with pytest.raises(DataError, match="over 24 tokens with its template in each of 2 prompts"):
            classifier.predict_proba([{"text": f"{text} {text}"}], truncate=False)
    classifier.config["settings"]["max_chunks"] = 1
    np.testing.assert_allclose(together[1:], classifier.predict_proba([{"text": each} for each in TEXTS]), atol=1e-6)
    assert not np.allclose(together[0], classifier.predict_proba([{"text": text}])[0], atol=1e-4)
    network, template = load_model(one.model, home.cache, dtype="float32", device="cpu"), one.dataset.template
    ids = encode_prompts(network.tokenizer, template, [{"text": half}], max_tokens=24, prepend_bos=False).token_ids
    states = np.concatenate(list(extract(network, ids, SETTINGS["layers"]).values()), axis=1)
    np.testing.assert_allclose(together[0], classifier._method.predict_proba(states)[0], atol=1e-6)  # two equal chunks


def test_loads_in_a_fresh_process_outside_the_checkout_by_mlflow_alone(registered, tmp_path):
    home, *_, expected = registered
    script = (
        "import json, mlflow, sys\n"
        "settings = {'device': 'offload:0MB'}\n"
        "model = mlflow.pyfunc.load_model('models:/vocabsem-films@champion', model_config=settings)\n"
        "assert model.unwrap_python_model().classifier._model.offloaded\n"
        "import vocabsem; assert 'code' in vocabsem.__file__, vocabsem.__file__\n"
        f"import pandas; print(model.predict(pandas.DataFrame({{'text': {TEXTS!r}}})).to_json(orient='records'))"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("VOCABSEM", "MLFLOW", "PREFECT"))}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment | {"MLFLOW_TRACKING_URI": home.tracking_uri, "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose([[r["negative"], r["positive"], r["so-so"]] for r in rows], expected, atol=1e-6)
    assert not (tmp_path / ".vocabsem").exists(), "the model was found in the home that made it"


def test_nothing_is_pickled_and_every_requirement_is_pinned(registered):
    home, *_ = registered
    with store(home):
        folder = mlflow.artifacts.download_artifacts("models:/vocabsem-films@champion")
    files = [name for _, _, names in os.walk(folder) for name in names]
    assert "calibrator.safetensors" in files
    assert "text_classifier.py" in files
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".joblib"))]
    requirements = (Path(folder) / "requirements.txt").read_text().split()
    assert all("==" in line and "+" not in line for line in requirements)
    assert any(line.startswith("torch==") for line in requirements)


def test_the_same_predictions_make_no_second_version_and_others_do(registered):
    home, one, calibrator, run, version, _ = registered
    again = enter(home, run, "vocabsem-films", calibrator, one)
    assert again.version == version == "1"

    other = entry(one.model, key_of="second")
    newer = enter(home, run, "vocabsem-films", calibrator, other)
    assert newer.version == "2"
    with store(home) as client:
        assert client.get_registered_model("vocabsem-films").aliases == {"champion": 1, "challenger": 2}
        tags = client.get_model_version("vocabsem-films", "2").tags
    assert tags["predictions"] == other.predictions.key
    assert not list(home.cache.glob("champion-*"))


@pytest.mark.parametrize("fails", ["write", "log", "create_model_version", "set_registered_model_alias"])
def test_a_failure_half_way_leaves_no_folder_and_is_no_hindrance(registered, monkeypatch, fails):
    """Where the calibrator cannot be read, the classifier not be stored, its version or alias not be written."""
    home, one, calibrator, run, *_ = registered
    unheard, name = entry(one.model, key_of=fails), f"vocabsem-{fails}"

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        if fails == "write":
            patched.setattr(shutil, "copyfile", full)
        elif fails == "log":
            patched.setattr(LocalArtifactRepository, "log_artifacts", full)
        else:
            patched.setattr(mlflow.MlflowClient, fails, full)
        with pytest.raises(OSError, match="No space left"):
            enter(home, run, name, calibrator, unheard)
    assert not list(home.cache.glob("champion-*"))
    with store(home) as client:
        known = [result.name for result in client.search_registered_models()]
    assert (name in known) == (fails not in ("write", "log")), "no registered model without a classifier"
    assert enter(home, run, name, calibrator, unheard).alias == "champion", "the next run goes on"
    with store(home) as client:
        assert [str(result.version) for result in client.search_model_versions(f"name = '{name}'")] == ["1"]


def older_card(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["model"]["license"]
    (folder / "config.json").write_text(json.dumps(config))


def older_settings(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["settings"]["pooling"]
    (folder / "config.json").write_text(json.dumps(config))


def older_method(folder):
    path = folder / "calibrator.safetensors"
    with safe_open(path, "numpy") as file:
        arrays, described = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    path.write_bytes(save({name: array for name, array in arrays.items() if name != "learned.mean_"}, described))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (older_card, "the card of its model: license: Field required"),
        (older_settings, "its settings lack pooling"),
        (older_method, "stored vocabulary_calibrator lacks mean_"),
    ],
)
def test_a_champion_that_another_version_has_stored_is_replaced_by_the_next_run(registered, change, reason):
    home, one, calibrator, run, *_ = registered
    name = f"vocabsem-{change.__name__}"
    enter(home, run, name, calibrator, one)
    change(find_classifier(home, name).classifier)
    again = re.escape(f"the classifier of dataset 'films' cannot be read ({reason}): run its experiment again (`")
    with pytest.raises(DataError, match=f"^{again}vocabsem run CARD`"):
        load_classifier(home, name)

    newer = enter(home, run, name, calibrator, entry(one.model, key_of=name))
    assert (newer.version, newer.alias) == ("2", "champion")
    assert newer.why == "version 1, of another version of vocabsem, can no longer be read"
    load_classifier(home, name)


def test_code_that_another_version_has_stored_is_not_run(registered):
    home, one, calibrator, run, _, expected = registered
    enter(home, run, "vocabsem-code", calibrator, one)
    (script,) = find_classifier(home, "vocabsem-code").folder.glob("*.py")
    script.write_text("from vocabsem.modules_of_another_version import TextClassifier\n")
    answers = load_classifier(home, "vocabsem-code").predict(pd.DataFrame({"text": TEXTS}))
    np.testing.assert_allclose(answers.iloc[:, 1:], expected, atol=1e-6)


def test_a_home_that_was_moved_or_copied_reads_its_own_classifiers(registered, tmp_path):
    home, *_ = registered
    name = "vocabsem-films"
    there = find_classifier(home, name)
    copied = Home(tmp_path / "mlartifacts" / "copy")
    shutil.copytree(home.root, copied.root, symlinks=True)
    here = find_classifier(copied, name)
    assert here.config == there.config
    assert here.folder == copied.artifacts / there.folder.relative_to(home.artifacts)


def test_a_pair_of_texts_wants_a_frame_with_both_columns(registered, tmp_path):
    home, one, *_ = registered
    pair = entry(one.model, fields=("first", "second"), key_of="pair")
    calibrator, expected = fit(pair, home)
    run = open_run(home, {"name": "pairs", "description": ""}, {})
    enter(home, run, "vocabsem-pairs", calibrator, pair)
    classifier = load_classifier(home, "vocabsem-pairs@champion")
    frame = classifier.predict(pd.DataFrame({"second": TEXTS, "first": TEXTS}))
    np.testing.assert_allclose(frame.iloc[:, 1:], expected, atol=1e-6)


@pytest.mark.parametrize("text", ["", "  \n", 5, True, None, float("nan"), ["good"], "bad \ud83d"])
def test_what_is_no_text_is_named(registered, text):
    classifier = load_classifier(registered[0], "vocabsem-films@champion")
    with pytest.raises(mlflow.MlflowException, match="row 1: text is"):
        classifier.predict(pd.DataFrame({"text": pd.Series(["good", text], dtype=object)}))


@pytest.mark.parametrize("model", ["vocabsem-flims@champion", "vocabsem-films/99", "vocabsem-films@best", "", "a/b/c"])
def test_an_unknown_model_lists_those_there_are(registered, model):
    with pytest.raises(BadInput, match=r"there are .*vocabsem-films@champion"):
        load_classifier(registered[0], model)


def test_another_language_model_is_refused(registered, tmp_path):
    home, one, calibrator, run, *_ = registered
    with packaged_classifier(home, one, SETTINGS, calibrator) as folder:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"digest": "0" * 64}))
        register(home, run, "tampered", folder, entry(one.model, key_of="tampered"))
    with pytest.raises(Exception, match="is not the model that the classifier of 'films' was fitted on"):
        load_classifier(home, "tampered@champion")


@pytest.mark.parametrize("device", ["offload:0MB", "offload:0.11MB", "cpu"])
def test_a_model_that_lies_on_the_disk_answers_as_one_in_memory(registered, device):
    home, *_, expected = registered
    classifier = TextClassifier(find_classifier(home, "vocabsem-films").classifier, device)
    assert classifier._model.offloaded is device.startswith("offload")
    np.testing.assert_allclose(classifier.predict_proba([{"text": text} for text in TEXTS]), expected, atol=1e-6)
    frame = load_classifier(home, "vocabsem-films", device).predict(column(TEXTS))
    np.testing.assert_allclose(frame.iloc[:, 1:], expected, atol=1e-6)


def test_one_that_was_registered_without_a_choice_of_devices_is_known(registered, tmp_path):
    stored = find_classifier(registered[0], "vocabsem-films")
    assert stored.takes_device
    shutil.copytree(stored.folder, tmp_path / "older")
    path = tmp_path / "older" / "MLmodel"
    described = yaml.safe_load(path.read_text())
    del described["flavors"]["python_function"]["config"]
    path.write_text(yaml.safe_dump(described))
    older = replace(stored, folder=tmp_path / "older")
    assert not older.takes_device
