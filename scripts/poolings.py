"""Compare poolings of inner layers on development rows: the table of docs/encoders.md.

`python scripts/poolings.py --home DIR [--data-dir DIR]`, after `vocabsem extract rivals`, and once more with
`--set 'layers=[0.5:weighted_mean, 0.7:weighted_mean, last]'`. Of the training rows of each set 300 are put aside; the
vocabulary calibrator learns from the others, and is scored on these: macro-F1, mean over sets and seeds. No test row is
read.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

from flows.planning.experiment import load_experiment
from flows.planning.plan import make_plan
from tasks.models.label_space import label_space
from tasks.steps.lake_reads import read_states
from vocabsem.methods import VocabularyCalibrator
from warehouse.home import Home

ASIDE, SEEDS, SHOTS = 300, range(5), (0, 1, 4, 16, 64, "all")
POOLINGS = ("mean", "weighted_mean")


def stored(home, data_dir, pooling):
    """{data set: label space, states (N, 3·d), labels (N,)} of the training rows of `rivals`."""
    experiment = load_experiment("rivals", {"layers": [f"0.5:{pooling}", f"0.7:{pooling}", "last"]})
    sets = {}
    for pair in make_plan(experiment, home, data_dir).pairs:
        _, labels, states = read_states(home, pair.model.name, pair.dataset.name, "train", pair.states["train"].key)
        sets[pair.dataset.name] = label_space(home, pair.model, pair.dataset, pair.anchors.key), states, labels
    return sets


def macro_f1(space, states, labels, shots, seed):
    """Of one fit: the rows put aside are the same for every number of shots and every seed."""
    order = np.random.default_rng(5).permutation(len(labels))
    held, rest = order[:ASIDE], order[ASIDE:]
    x, y = states[rest], labels[rest]
    rows = np.random.default_rng([seed, 11]).permutation(len(y))
    if shots != "all":
        rows = np.concatenate([rows[y[rows] == c][:shots] for c in range(space.classes)])
    method = VocabularyCalibrator(space, layers=states.shape[1] // space.width)
    method.fit(x) if shots == 0 else method.fit(x[rows], y[rows], unlabeled=x)
    return f1_score(labels[held], method.predict(states[held]), average="macro")


def mean_score(sets, shots):
    seeds = SEEDS if shots not in (0, "all") else SEEDS[:1]  # nothing is sampled
    return np.mean([macro_f1(*each, shots, seed) for each in sets for seed in seeds])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--data-dir", type=Path)
    given = parser.parse_args()
    by_pooling = {pooling: stored(Home(given.home), given.data_dir, pooling) for pooling in POOLINGS}
    mean, weighted = by_pooling.values()
    by_pooling["0.5:weighted_mean, 0.7:mean"] = {
        name: (space, np.hstack([weighted[name][1][:, : space.width], states[:, space.width :]]), labels)
        for name, (space, states, labels) in mean.items()
    }
    sys.stdout.write(f"| | {' | '.join(map(str, SHOTS))} |\n")
    for pooling, sets in by_pooling.items():
        cells = [f"{mean_score(list(sets.values()), shots):.3f}" for shots in SHOTS]
        sys.stdout.write(f"| {pooling} | {' | '.join(cells)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
