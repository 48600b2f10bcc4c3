"""Label words of several tokens on a real model: from the command line to a table, and against transformers alone."""

import json

import numpy as np
import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.steps.lake_reads import SCORES
from tests.conftest import vocabsem
from vocabsem.cards.loader import load_card
from vocabsem.models.checkpoints import fetch_checkpoint
from warehouse.home import Home
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

CARD = {
    "name": "phrases",
    "models": ["smollm2-135m-instruct"],
    "datasets": ["reuters_r8@words-phrases"],
    "limits": {"train": 40, "validation": 20, "test": 60},
    "max_tokens": 32,
    "dtype": "float32",
    "shots": [0],
    "methods": [
        {"method": "zero_shot", "scoring": "exact"},
        {"method": "zero_shot", "scoring": "exact_mean"},
        {"method": "pmi", "scoring": "exact"},
    ],
}


def test_phrases_are_scored_as_transformers_alone_scores_them(make_home, cache, tmp_path):
    root, path = make_home(), tmp_path / "phrases.yaml"
    path.write_text(yaml.safe_dump(CARD))
    done = vocabsem(root, "run", path, timeout=900)
    assert done.returncode == 0, done.stderr
    rows = json.loads(vocabsem(root, "leaderboard", "--format", "json").stdout)
    f1 = {row["method"]: row["macro_f1"] for row in rows}
    assert sorted(f1) == ["pmi+exact", "zero_shot+exact", "zero_shot+exact-mean"]
    assert max(f1.values()) > 0.25  # of 60 texts in eight classes; chance is .08

    lake = Lake(Home(root))
    (scored,) = [m for m in lake.manifests("word_scores") if m.coordinates["split"] == "test"]
    stored = lake.of(scored).table(["id", SCORES]).to_pylist()[:3]
    (examples,) = lake.manifests("examples")
    texts = {row["id"]: dict(row["fields"])["text"] for row in lake.of(examples).table(["id", "fields"]).to_pylist()}
    folder, _ = fetch_checkpoint(load_card("models", CARD["models"][0]), cache)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    words = load_card("datasets", "reuters_r8@words-phrases").label_words
    for row in stored:
        template = tokenizer("Article: ").input_ids[:-1], tokenizer("\nTopic:").input_ids
        left = CARD["max_tokens"] - len(tokenizer("Article:\nTopic:").input_ids)
        text = tokenizer(" " + texts[row["id"]]).input_ids[:left]
        prompt = [*template[0], *text, *template[1]]
        expected = []
        for word in words:
            ids = tokenizer(" " + word).input_ids
            with torch.inference_mode():
                log_p = network(torch.tensor([prompt + ids])).logits[0].log_softmax(-1)
            expected.append(sum(float(log_p[len(prompt) - 1 + t, token]) for t, token in enumerate(ids)))
        np.testing.assert_allclose(row[SCORES], expected, rtol=1e-3)  # float32 through thirty layers
