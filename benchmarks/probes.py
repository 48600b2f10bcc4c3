"""Linear probes of every layer, their penalty chosen by cross-validation, against scikit-learn doing the same."""

import warnings
from collections.abc import Iterator

import numpy as np
from sklearn.linear_model import LogisticRegressionCV
from sklearn.preprocessing import StandardScaler

from benchmarks import Row, Setting, best_of
from vocabsem.arrays import mean_and_deviation
from vocabsem.datasets.shots import choose_shots
from vocabsem.methods._solvers.logistic import ALPHAS, Logistic, choose_and_fit

LAYERS, SEEDS, WIDTH, CLASSES = 31, 5, 576, 4


def measure(setting: Setting) -> Iterator[Row]:
    generator = np.random.default_rng(0)
    labels = np.arange(1000) % CLASSES
    means = generator.standard_normal((CLASSES, WIDTH)) / 4
    layers = [(means[labels] + generator.standard_normal((1000, WIDTH))).astype(np.float32) for _ in range(LAYERS)]

    def ours(rows: dict[int, np.ndarray]) -> None:
        nothing = np.zeros(CLASSES, np.float32)
        for states in layers:
            mean, deviation = mean_and_deviation(states)
            z = (states - mean) / deviation
            for seed, chosen in rows.items():
                offset = np.zeros((len(chosen), CLASSES), np.float32)
                choose_and_fit(z[chosen], offset, labels[chosen], Logistic(), seed).logits(z[:100], nothing)

    def theirs(rows: dict[int, np.ndarray]) -> None:
        settings = {"Cs": [1 / alpha for alpha in ALPHAS], "cv": 5, "max_iter": 1000}
        for states in layers:
            z = StandardScaler().fit(states).transform(states)
            for chosen in rows.values():
                method = LogisticRegressionCV(scoring="neg_log_loss", **settings)
                method.fit(z[chosen], labels[chosen]).predict_proba(z[:100])

    for shots in (16, 64):
        rows = {seed: choose_shots(labels, shots, seed, CLASSES) for seed in range(SEEDS)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what later versions will call its attributes
            seconds = best_of(1, lambda rows=rows: ours(rows), lambda rows=rows: theirs(rows))
        name = f"probes of {LAYERS} layers × {SEEDS} seeds, {shots} shots of {CLASSES} classes"
        yield Row(name, seconds[0], "LogisticRegressionCV, 5 penalties, 5 folds", seconds[1], "s", "≤ 0.2")
