"""Our calibrator: the vocabulary answers first, texts without labels sharpen its answer, labels correct it."""

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from vocabsem.errors import DataError, TrainingFailed
from vocabsem.methods.base import Floats, Ints, Method, check_states, mean_and_deviation, unit_rows
from vocabsem.methods.labels import LabelSpace, in_place_of_anchors
from vocabsem.methods.logistic import ONE_THREAD
from vocabsem.methods.prior_ridge import depart
from vocabsem.methods.self_training import self_train
from vocabsem.methods.stacking import stack

CONSTANT = 0.3  # the last column of z, beside rows of about unit length: the intercept's share of the prior
SHARPNESS = 0.6  # of the softmax over an answer of unit deviation, where there is no label to choose it by
SHARES = (0.2, 0.5)  # what the two answers weigh before labels say otherwise
STIFFNESS = 20.0  # of that prior: as much as 20 examples' worth of curvature


class VocabularyCalibrator(Method):
    """A linear map of standardised states, logits = z W, that leaves the vocabulary's answer as labels accumulate.

    z (N, k·d + 1): the k layers side by side, each column centred and scaled by the mean and deviation of the
    unlabelled states and divided by √(k·d), and a constant. z̄ (N, d + 1): the layers' mean. z_L: the last layer, the
    one that the head reads. All answers are brought to unit deviation over the unlabelled states. Then

    1. the vocabulary:  a = z_L Tᵀ, T (C, d) the unit targets of the label words less their mean over the classes;
                        by default the sum of that for anchors and for head rows;
    2. its echo:        a + self-training on z̄ of the unlabelled states, from a (`self_training`); without labels this
                        is the answer;
    3. labels, as they are:  ridge regression that departs from 2, as far as its exact leave-one-out errors
                        warrant (`prior_ridge`);
    4. labels, spread:  self-training from 3, with the labelled rows among the unlabelled;
    5. both weighed:    logits = M applied to 3 and 4, M by a small convex fit to their leave-one-out estimates, which
                        also calibrates the probabilities (`stacking`).

    targets: "anchors" or "head" reads one of the two, "random" puts Gaussian directions in their place and changes
    nothing else. rounds=0 leaves out 2 and 4, so that unlabelled states set means and scales only.
    """

    name = "vocabulary_calibrator"
    uses_anchors = True
    works_without_labels = True
    choices: ClassVar = {"targets": ("both", "anchors", "head", "random")}

    mean_: NDArray[np.float32]
    deviation_: NDArray[np.float32]
    weights_: NDArray[np.float32]

    def __init__(
        self, space: LabelSpace, *, targets: str = "both", layers: int = 1, rounds: int = 3, seed: int = 0
    ) -> None:
        self.space = space
        self.targets = targets
        self.layers = layers
        self.rounds = rounds
        self.seed = seed

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        if len(background) == 0:
            raise DataError("vocabulary_calibrator: no states to standardise with: give unlabelled states")
        self.mean_, deviation = mean_and_deviation(background)
        self.deviation_ = deviation * np.float32((self.layers * self.space.width) ** 0.5)
        z, pool = self._standardised(states[: len(labels)]), self._standardised(background)
        if not (np.isfinite(z).all() and np.isfinite(pool).all()):
            raise TrainingFailed("vocabulary_calibrator: standardised states became infinite: check their scale")
        with threadpool_limits(**ONE_THREAD):
            prior = self._prior(pool)
            self.weights_ = self._learn(z, labels, pool, prior) if len(labels) else np.float32(SHARPNESS) * prior

    def _prior(self, pool: Floats) -> Floats:
        """Steps 1 and 2: weights (k·d + 1, C) of an answer of unit deviation over the pool."""
        own = np.zeros((pool.shape[1], self.space.classes), np.float32)
        own[-1 - self.space.width : -1] = self._directions().T
        own = _scaled(own, pool)
        return own if self.rounds == 0 else _scaled(own + self._echo(pool, own, pool[:0], np.empty(0, int))[0], pool)

    def _echo(self, pool: Floats, weights: Floats, z: Floats, labels: Ints) -> tuple[Floats, Floats]:
        """Self-training from the answer with these weights → weights (k·d + 1, C) and estimates, at unit deviation."""
        mean, answer = self._layer_mean(pool), pool @ weights
        narrow, estimates = self_train(mean, answer, self._layer_mean(z), labels, rounds=self.rounds)
        each = narrow[:-1] / np.float32(self.layers**0.5)
        wide = np.vstack([*[each] * self.layers, narrow[-1:]])
        unit = _deviation(pool @ wide)
        return wide / unit, estimates / unit

    def _learn(self, z: Floats, labels: Ints, pool: Floats, prior: Floats) -> Floats:
        """Steps 3 to 5: weights (k·d + 1, C) of the logits."""
        classes = self.space.classes
        y = np.eye(classes)[labels]
        found = depart(z, z @ prior, y - y.mean(axis=0))
        direct = np.float32(found.trust) * prior + found.weights
        unit = _deviation(pool @ direct)
        answers: list[Floats] = [direct / unit]
        held_out: list[Floats] = [found.held_out / unit]
        if self.rounds:
            spread, estimates = self._echo(pool, direct, z, labels)
            answers.append(spread)
            held_out.append(estimates)
        start = np.vstack([*[share * np.eye(classes) for share in SHARES[: len(answers)]], np.zeros((1, classes))])
        mixed = stack(np.hstack([*held_out, np.ones((len(z), 1))]), labels, start, penalty=STIFFNESS)
        weights = np.hstack(answers).astype(np.float64) @ mixed[:-1]
        weights[-1] += mixed[-1] / CONSTANT
        return weights.astype(np.float32)

    def _standardised(self, states: Floats) -> Floats:
        z = (states - self.mean_) / self.deviation_
        return np.hstack([z, np.full((len(z), 1), CONSTANT, np.float32)])

    def _layer_mean(self, z: Floats) -> Floats:
        mean = z[:, :-1].reshape(len(z), self.layers, self.space.width).sum(axis=1) / np.float32(self.layers**0.5)
        return np.hstack([mean, z[:, -1:]])

    def _directions(self) -> Floats:
        """T (C, d), its rows adding up to zero."""
        kinds = ("anchors", "head") if self.targets == "both" else (self.targets,)
        rows = [unit_rows(in_place_of_anchors(self.space, kind, self.seed)) for kind in kinds]  # type: ignore[arg-type]
        together = np.asarray(sum(rows))
        return np.asarray(together - together.mean(axis=0))

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """States (N, k·d) → calibrated states t (N, d) float32, the nearest to z_L with logits t Tᵀ."""
        z = self._standardised(check_states(X, self.n_features_in_, self.name))
        last, directions = z[:, -1 - self.space.width : -1], self._directions()
        logits = z @ self.weights_
        logits -= logits.mean(axis=1, keepdims=True)
        moves, *_ = np.linalg.lstsq(directions, (logits - last @ directions.T).T, rcond=1e-5)  # (d, N)
        return np.asarray(last + moves.T, np.float32)

    def _logits(self, states: Floats) -> Floats:
        return np.asarray(self._standardised(states) @ self.weights_)


def _deviation(answer: Floats) -> np.float32:
    return np.float32(answer.std() or 1.0)


def _scaled(weights: Floats, pool: Floats) -> Floats:
    return np.asarray(weights / _deviation(pool @ weights))
