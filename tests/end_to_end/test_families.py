"""A masked model and a sentence encoder from the package registry, from the command line to a classified text."""

import json

import numpy as np
import pytest
import yaml

from tests.conftest import vocabsem
from vocabsem import TextStates, ZeroShot

pytestmark = pytest.mark.medium

TEXT = "The striker scored twice in the second half of the cup final."
CARD = {
    "name": "families",
    "models": ["bert-mlm-tiny", "minilm-l6"],
    "datasets": ["bbc_news"],
    "limits": {"train": 80, "validation": 40, "test": 60},
    "max_tokens": 32,
    "shots": [0, 4],
    "layers": ["0.5:mean", "last"],
    "methods": ["zero_shot", "vocabulary_calibrator", "knn_prompting", {"method": "linear_probe", "control": True}],
    "champion": True,
}


@pytest.mark.slow
def test_run_scores_both_and_the_champion_classifies(make_home, tmp_path):
    home, path = make_home(), tmp_path / "families.yaml"
    path.write_text(yaml.safe_dump(CARD))
    done = vocabsem(home, "run", path, timeout=900)
    assert done.returncode == 0, done.stderr
    assert "minilm-l6: knn_prompting left out: it compares with every token" in " ".join(done.stdout.split())
    rows = json.loads(vocabsem(home, "leaderboard", "--format", "json").stdout)
    best = {model: max(row["macro_f1"] for row in rows if row["model"] == model) for model in CARD["models"]}
    assert best["minilm-l6"] > 0.7  # of 60 texts in five classes; chance is .2
    assert best["bert-mlm-tiny"] > 0.4
    answered = vocabsem(home, "predict", "--model", "vocabsem-bbc_news@champion", TEXT, timeout=600)
    assert answered.returncode == 0, answered.stderr
    assert answered.stdout.split("\n")[2].split()[0] == "sport"


@pytest.mark.parametrize(
    ("model", "template"), [("bert-mlm-tiny", "{text} It is about {mask}."), ("minilm-l6", "{text}")]
)
def test_text_states_answer_with_a_word(cache, model, template):
    words = {"sport": "football", "business": "money"}
    reader = TextStates(model, template, words, dtype="float32", cache=cache)
    states = reader.transform([TEXT, "The bank raised its interest rates and the shares fell."])
    assert ZeroShot(reader.label_space()).fit(states).predict(states).tolist() == [0, 1]
    assert np.isfinite(states).all()
