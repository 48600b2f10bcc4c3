"""Compare the mean of a long text's states with votes of its chunks, on development rows: the table of docs/method.md.

`python scripts/chunk_votes.py --home DIR MODEL …`, after the commands that docs/method.md names. Of 240
training rows of bbc_news 120 are put aside; methods learn from shots among the others and are scored on these:
macro-F1, mean over seeds. No test row is read.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

from flows.planning.experiment import load_experiment
from flows.planning.plan import make_plan
from tasks.models.label_space import label_space
from tasks.models.loaded import inference, loaded
from tasks.models.prompts import make_prompts
from tasks.steps.lake_reads import prompt_rows
from vocabsem.methods.registry import build_method, method_info
from vocabsem.states.extraction import extract
from warehouse.home import Home

ASIDE, SEEDS, SHOTS = 120, range(5), (0, 4, 16)
METHODS = {"zero_shot": (0,), "vocabulary_calibrator": SHOTS, "ridge": (4, 16), "linear_probe": (4, 16)}
SETTINGS = {
    "datasets": ["bbc_news"],
    "max_tokens": 128,
    "max_chunks": 6,
    "limits": {"train": 240, "validation": 10, "test": 10},
}


def plan_of(model, home):
    """Of `vocabsem extract encoders` with `models=[MODEL]` and these settings."""
    return make_plan(load_experiment("encoders", SETTINGS | {"models": [model]}), home)


def chunk_states(home, plan):
    """Label space, states (M, k·d) of all chunks, chunks of each text (N,), labels (N,), of the training rows."""
    (pair,) = plan.pairs
    spec = pair.states["train"].spec
    rows = prompt_rows(home, spec)
    chunked = make_prompts(home, pair.model, spec, [dict(fields) for fields in rows["fields"].to_pylist()])
    with inference():
        network = loaded(pair.model, home, spec.dtype, "cpu")
        states = extract(network, chunked.prompts.token_ids, spec.layers, pooling=spec.pooling)
    space = label_space(home, pair.model, pair.dataset, pair.anchors.key)
    return space, np.hstack(list(states.values())), chunked.sizes, rows["label"].to_numpy()


def per_text(values, sizes):
    """Mean over the chunks of each text."""
    return np.add.reduceat(values, np.cumsum(sizes) - sizes, axis=0) / sizes[:, None]


def answers(method, mean, chunks, sizes):
    """{how: classes (N,)} of a fitted method: of the mean state, and by votes of the chunks."""
    each = method.predict_proba(chunks)
    logs = np.log(np.maximum(each, np.finfo(np.float64).tiny))
    return {
        "mean of states": method.predict(mean),
        "mean of probabilities": method.classes_[per_text(each, sizes).argmax(1)],
        "mean of log-probabilities": method.classes_[per_text(logs, sizes).argmax(1)],
    }


def scores(name, space, states, sizes, labels, shots, seed):
    """{how: macro-F1} of one method fitted on mean states, and on chunks that each have the label of their text."""
    info = method_info(name)
    layers = {"layers": states.shape[1] // space.width} if info.takes_layers else {}
    states = states if layers or not info.fixed_width else states[:, -space.width :]
    mean, of_text = per_text(states, sizes), np.repeat(np.arange(len(sizes)), sizes)
    order, result = np.random.default_rng(5).permutation(len(labels)), {}
    held, learn = np.sort(order[:ASIDE]), order[ASIDE:]
    rows = np.random.default_rng([seed, 11]).permutation(learn)
    rows = np.concatenate([rows[labels[rows] == c][:shots] for c in range(space.classes)])
    for fitted, x, texts in (("", mean, np.arange(len(labels))), (", fitted on chunks", states, of_text)):
        mine, known = np.isin(texts, rows), np.isin(texts, learn)
        method = build_method(name, layers, space, seed)
        method.fit(x[known]) if not shots else method.fit(x[mine], labels[texts[mine]], unlabeled=x[known])
        every = answers(method, mean[held], states[np.isin(of_text, held)], sizes[held])
        result |= {how + fitted: f1_score(labels[held], each, average="macro") for how, each in every.items()}
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("models", nargs="+")
    given = parser.parse_args()
    home = Home(given.home)
    cells = [(name, shots) for name, all_shots in METHODS.items() for shots in all_shots]
    sys.stdout.write(f"| | {' | '.join(f'{name} {shots}' for name, shots in cells)} |\n")
    for model in given.models:
        read = chunk_states(home, plan_of(model, home))
        results = [[scores(name, *read, shots, seed) for seed in SEEDS] for name, shots in cells]
        for how in results[0][0]:
            means = [f"{np.mean([each[how] for each in seeds]):.3f}" for seeds in results]
            sys.stdout.write(f"| {model}, {how} | {' | '.join(means)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
