"""Our calibrator: the vocabulary answers first, texts without labels sharpen its answer, labels correct it."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vocabsem.errors import DataError, TrainingFailed
from vocabsem.label_space import LabelSpace, target_vectors
from vocabsem.methods._solvers.prior_ridge import depart
from vocabsem.methods._solvers.self_training import balance, estimate_shares, self_train
from vocabsem.methods._solvers.stacking import sharpen, stack
from vocabsem.methods.base import Floats, Ints, Method, check_states, mean_and_deviation, unit_rows
from vocabsem.parallel import thread_limits

CONSTANT = 0.3  # the last column of z, beside rows of about unit length
SHARPNESS = 0.6  # of the softmax over an answer of unit deviation, where there is no label to choose it by
SHARES = (0.2, 0.5)  # what the two answers weigh before labels say otherwise
STIFFNESS = 15.0  # of that prior
FOLDS = 5  # for the estimates of step 4; step 3 has exact ones

Echo = Callable[[Floats, Floats, Ints, Floats], Floats]


class VocabularyCalibrator(Method):
    """A linear map of standardized states, logits = z W, that leaves the vocabulary's answer as labels accumulate.

    z (N, k·d + 1): the k layers side by side, each column centered and scaled by the mean and deviation of the
    unlabeled states and divided by √(k·d), and a constant. z̄ (N, d + 1): the layers' mean. z_L: the last layer, the
    one that the head reads. All answers are brought to unit deviation over the unlabeled states. Then

    1. the vocabulary:  a = z_L Tᵀ, T (C, d) the unit targets of the label words less their mean over the classes;
                        by default that for anchors plus that for head rows;
    2. its echo:        a + self-training on z̄ of the unlabeled states from a, shifted to name each class equally
                        often (`self_training`); without labels this, sharpened, is the answer;
    3. labels:          ridge regression that departs from 2, its intercept from the unlabeled rows' mean, as far as
                        leave-one-out errors warrant (`prior_ridge`); a row weighs 1/√n_c, its class having n_c labels;
    4. their echo:      self-training from 3, the labeled rows among the unlabeled, shifted to name each class in the
                        share that 3 finds of it among the unlabeled (`estimate_shares`);
    5. both weighed:    3 and 4 by a small convex fit to their estimates for rows left out, leave-one-out for 3 and by
                        folds for 4, from a common factor and the labels' log shares; it calibrates the probabilities
                        too (`stacking`).

    Where every unlabeled row has its label there is nothing to echo, and 4 is left out.
    targets: "anchors" or "head" reads one of the two, "random" puts Gaussian directions in their place and changes
    nothing else. rounds=0 leaves out all self-training, so that unlabeled states set means and scales only.
    """

    name = "vocabulary_calibrator"
    takes_layers = True
    takes_random_state = True
    revision = 2
    works_without_labels = True
    temperature_folds = 0
    choices: ClassVar = {"targets": ("both", "anchors", "head", "random")}

    mean_: NDArray[np.float32]
    deviation_: NDArray[np.float32]
    weights_: NDArray[np.float32]

    def __init__(
        self, space: LabelSpace, *, targets: str = "both", layers: int = 1, rounds: int = 5, random_state: int = 0
    ) -> None:
        self.space = space
        self.targets = targets
        self.layers = layers
        self.rounds = rounds
        self.random_state = random_state

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        if len(background) == 0:
            raise DataError("vocabulary_calibrator: no states to standardize with: give unlabeled states")
        self.mean_, deviation = mean_and_deviation(background)
        self.deviation_ = deviation * np.float32((self.layers * self.space.width) ** 0.5)
        z, pool = self._standardized(states[: len(labels)]), self._standardized(background)
        if not (np.isfinite(z).all() and np.isfinite(pool).all()):
            raise TrainingFailed("vocabulary_calibrator: standardized states became infinite: check their scale")
        with thread_limits(1, "blas"):
            echo = self._echo(pool)
            prior = self._prior(pool, echo)
            self.weights_ = self._learn(z, labels, pool, prior, echo) if len(labels) else np.float32(SHARPNESS) * prior

    def _prior(self, pool: Floats, echo: Echo) -> Floats:
        """Steps 1 and 2: weights (k·d + 1, C) of an answer of unit deviation over the pool."""
        answer = np.zeros((pool.shape[1], self.space.classes), np.float32)
        answer[-1 - self.space.width : -1] = self._directions().T
        answer = _scaled(answer, pool)
        if self.rounds:
            heard = echo(answer, pool[:0], np.empty(0, np.int64), self._equal())
            answer = _scaled(answer + heard, pool)
        return _balanced(answer, pool, self._equal())

    def _echo(self, pool: Floats) -> Echo:
        """Self-training from the answer with given weights → weights (k·d + 1, C) of an answer of unit deviation."""
        mean = self._layer_mean(pool)
        scatter = mean.T @ mean

        def echo(weights: Floats, z: Floats, labels: Ints, shares: Floats) -> Floats:
            labeled = self._layer_mean(z)
            narrow = self_train(mean, scatter, pool @ weights, labeled, labels, shares, rounds=self.rounds)
            each = narrow[:-1] / np.float32(self.layers**0.5)
            return _balanced(_scaled(np.vstack([*[each] * self.layers, narrow[-1:]]), pool), pool, shares)

        return echo

    def _learn(self, z: Floats, labels: Ints, pool: Floats, prior: Floats, echo: Echo) -> Floats:
        """Steps 3 to 5: weights (k·d + 1, C) of the logits."""
        classes = self.space.classes
        direct, held_out = self._depart(z, labels, pool, prior)
        answers, estimates = [direct], [held_out]
        counts = np.bincount(labels, minlength=classes) + 1.0
        given = counts / counts.sum()
        shift = np.log(given) - np.log(given).mean()
        if self.rounds and len(labels) < len(pool):
            sharpness = SHARPNESS * sharpen(SHARPNESS * held_out, shift, labels)
            shares = estimate_shares(sharpness * (pool @ direct) + shift, given)
            answers.append(echo(direct, z, labels, shares))
            spread = np.empty((len(z), classes))
            fold = _folds(labels)
            for rest in (fold != number for number in np.unique(fold)):
                without, _ = self._depart(z[rest], labels[rest], pool, prior)
                spread[~rest] = z[~rest] @ echo(without, z[rest], labels[rest], shares)
            estimates.append(spread)
        parts = np.vstack([share * np.eye(classes) for share in SHARES[: len(answers)]])
        start = np.vstack([sharpen(np.hstack(estimates) @ parts, shift, labels) * parts, shift])
        mixed = stack(np.hstack([*estimates, np.ones((len(z), 1))]), labels, start, penalty=STIFFNESS)
        weights = np.hstack(answers).astype(np.float64) @ mixed[:-1]
        weights[-1] += mixed[-1] / CONSTANT
        return weights.astype(np.float32)

    def _depart(self, z: Floats, labels: Ints, pool: Floats, prior: Floats) -> tuple[Floats, Floats]:
        """Step 3: weights of an answer of unit deviation, and its leave-one-out estimates for z."""
        y = np.eye(self.space.classes)[labels]
        root = y.sum(axis=0)[labels, None] ** -0.25  # √ of a row's weight
        root = (root / np.sqrt((root**2).mean())).astype(np.float32)
        y -= np.average(y, axis=0, weights=root[:, 0] ** 2)
        found = depart(z * root, z @ prior * root, y * root)
        weights = np.float32(found.trust) * prior + found.weights
        unit = _deviation(pool @ weights)
        return weights / unit, found.held_out / root / unit

    def _equal(self) -> Floats:
        return np.full(self.space.classes, 1 / self.space.classes)

    def _standardized(self, states: Floats) -> Floats:
        z = (states - self.mean_) / self.deviation_
        return np.hstack([z, np.full((len(z), 1), CONSTANT, np.float32)])

    def _layer_mean(self, z: Floats) -> Floats:
        mean = z[:, :-1].reshape(len(z), self.layers, self.space.width).sum(axis=1) / np.float32(self.layers**0.5)
        return np.hstack([mean, z[:, -1:]])

    def _directions(self) -> Floats:
        """T (C, d), its rows adding up to zero."""
        kinds = ("anchors", "head") if self.targets == "both" else (self.targets,)
        rows = [unit_rows(target_vectors(self.space, kind, self.random_state)) for kind in kinds]  # type: ignore[arg-type]
        together = np.asarray(sum(rows))
        return np.asarray(together - together.mean(axis=0))

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """States (N, k·d) → calibrated states t (N, d) float32, the nearest to z_L with logits t Tᵀ."""
        z = self._standardized(check_states(X, self.n_features_in_, self.name))
        last, directions = z[:, -1 - self.space.width : -1], self._directions()
        logits = z @ self.weights_
        logits -= logits.mean(axis=1, keepdims=True)
        moves, *_ = np.linalg.lstsq(directions, (logits - last @ directions.T).T, rcond=1e-5)  # (d, N)
        return np.asarray(last + moves.T, np.float32)

    def _logits(self, states: Floats) -> Floats:
        return np.asarray(self._standardized(states) @ self.weights_)


def _deviation(answer: Floats) -> np.float32:
    return np.float32(answer.std() or 1.0)


def _folds(labels: Ints) -> Ints:
    """Fold of each row: rows sorted by class are dealt to the folds in turn."""
    fold = np.empty(len(labels), np.int64)
    fold[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % min(FOLDS, len(labels))
    return fold


def _scaled(weights: Floats, pool: Floats) -> Floats:
    return np.asarray(weights / _deviation(pool @ weights))


def _balanced(weights: Floats, pool: Floats, shares: Floats) -> Floats:
    shift = np.zeros_like(weights)
    shift[-1] = balance(pool @ weights, shares) / CONSTANT
    return weights + shift
