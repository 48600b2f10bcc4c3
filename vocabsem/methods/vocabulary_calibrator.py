"""Our calibrator: the vocabulary predicts first, texts without labels sharpen that, labels correct it."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vocabsem.arrays import Floats, Ints, check_states, mean_and_deviation
from vocabsem.blocks import block_slices, gathered_rows, row_blocks
from vocabsem.errors import DataError, TrainingFailed
from vocabsem.label_space import LabelSpace, Targets, target_vectors
from vocabsem.methods._solvers.directions import KINDS, deviation, directions, logits_of, nearest_states, scaled
from vocabsem.methods._solvers.discriminants import Discriminants, with_discriminants
from vocabsem.methods._solvers.folds import deal_folds
from vocabsem.methods._solvers.mixture import Clusters, cluster
from vocabsem.methods._solvers.prior_ridge import ALPHAS, INTERCEPT_SCALES, PRIOR_WEIGHTS, PriorRidge, balanced_ridge
from vocabsem.methods._solvers.self_training import SelfTraining, balanced, estimate_shares, self_train
from vocabsem.methods._solvers.settings import settings_of
from vocabsem.methods._solvers.stacking import Stacking, sharpen, weigh
from vocabsem.methods.base import Method
from vocabsem.runtime.parallel import thread_limits

__all__ = ["VocabularyCalibrator"]

SelfTrain = Callable[[Floats, Floats, Ints, Floats], Floats]


class VocabularyCalibrator(Method):
    """A linear map of standardized states, logits = z W, that leaves the vocabulary's prediction as labels accumulate.

    z (N, k·d + 1): the k layers side by side, each column centered and scaled by the mean and deviation of the
    unlabeled states and divided by √(k·d), and a constant. z̄ (N, d + 1): the layers' mean. z_L: the last layer, the
    one that the head reads. All predictions are brought to unit deviation over the unlabeled states. Then

    1. the vocabulary:  a = z_L Tᵀ, T (C, d) the unit targets of the label words less their mean over the classes;
                        by default that for anchors plus that for head rows;
    2. self-training:   a + self-training on z̄ of the unlabeled states from a, shifted to name each class equally
                        often (`self_training`), plus the mean answer of their Gaussian clusters, started from that and
                        from the model's own logits, or h by other targets (`mixture`); without labels the prediction;
    3. labels:          ridge regression around 2, in the share of texts with labels around a, as far as leave-one-out
                        errors warrant (`prior_ridge`); a row of a class of n weighs n^(−class_balance);
    4. again:           self-training from 3, the labeled rows among the unlabeled, shifted to name each class in the
                        share that 3 finds of it among the unlabeled (`estimate_shares`); not where all have labels;
    5. both weighed:    3 and 4 by a small convex fit to estimates for rows left out, one by one for 3, by folds for 4,
                        from a common factor and the labels' log shares; it calibrates probabilities too (`stacking`);
    6. averaged:        with Gaussian discriminants of z that start where 3 does, as far as there are more rows than
                        classes (`discriminants`, arXiv 2402.04087).

    Parameters
    ----------
    space : LabelSpace
        The label words.
    targets : {"both", "anchors", "head", "random", "none"}, default="both"
        What T is made of; the controls change nothing else: none is T = 0, so that labels alone decide, random takes
        Gaussian directions.
    layers, rounds : int, default=1, 5
        k; rounds of self-training, 0 leaves it out.
    intercept_scaling : float, default=0.3
        The constant of z, beside rows of about unit length.
    sharpness : float, default=0.6
        Of the softmax over a prediction of unit deviation, without a label to choose it by.
    alphas, prior_weights, intercept_scales : sequence of float
        Step 3 averages over them: penalties λ; what the prior prediction adds to a one-hot label; prior deviations of
        the intercept.
    prior_smoothing : float, default=0.02
        The density of prior weights β is β + prior_smoothing: without evidence, keep to the prior prediction.
    pseudo_label_sharpness, labeled_weight, shrinkage : float, default=4, 10, 0.4
        Of self-training: of the softmax that makes soft labels; of a labeled row beside an unlabeled one; the penalty,
        in units of the mean eigenvalue of the scatter matrix.
    mixture_weight : float, default=1
        Of the clusters' answer in step 2; 0 leaves them out.
    n_components, mixture_rounds : int, default=64, 20
        Principal axes of z that they lie in, at most; steps of expectation maximization.
    mixture_sharpness, covariance_shrinkage, share_weight : float, default=2, 0.1, 1
        Of the softmax that they start from; of their common covariance; pseudo-rows as of uniform_weight, for theirs.
    uniform_weight : float, default=0.2
        Pseudo-rows for each unlabeled row, spread over the classes equally, when their shares are estimated.
    stacking_weights : sequence of two float, default=(0.2, 0.5)
        What 3 and 4 weigh before labels change that; the share of labeled texts goes from 4 to 3.
    stacking_alpha, stacking_shots, sharpness_deviation : float, default=15, 2, 0.5
        The penalty on such a change, times 1 + (stacking_shots/m)² with m labels per class: estimates for the only row
        of a class know nothing of it; the prior deviation of the logarithm of a common factor.
    discriminant_weight : float, default=0.5
        Of the discriminants in step 6, where rows are many.
    class_balance : float, default=0.5
        0: all rows weigh the same; 1: all classes do, as with scikit-learn's class_weight="balanced".
    cv, random_state : int, default=5, 0
        Folds for the estimates of 4, 3 having exact ones; draws random targets.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (k·d,), float32
        What z is standardized by.
    coef_ : ndarray of shape (k·d + 1, C), float32
        W, the transpose of scikit-learn's; the last row is of the constant.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpace, VocabularyCalibrator
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> VocabularyCalibrator(space).fit(X).predict(X).tolist()
    [0, 0, 1, 1]
    >>> VocabularyCalibrator(space).fit(X[1:3], y[1:3], unlabeled=X).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "vocabulary_calibrator"
    learns_from_unlabeled = True
    learns_from_unlabeled_by = ("rounds", "mixture_weight")
    fit_copies = (6.0, 5.0)
    block_columns = 100
    takes_layers = True
    takes_random_state = True
    revision = 8
    works_without_labels = True
    temperature_folds = 0
    positive = (
        *("intercept_scaling", "sharpness", "alphas", "intercept_scales"),
        *("prior_smoothing", "sharpness_deviation", "cv", "n_components", "covariance_shrinkage", "mixture_rounds"),
    )
    choices: ClassVar = {"targets": tuple(KINDS)}

    space: LabelSpace
    mean_: NDArray[np.float32]
    scale_: NDArray[np.float32]
    coef_: NDArray[np.float32]

    def __init__(
        self,
        space: LabelSpace,
        *,
        targets: Targets | Literal["both", "none"] = "both",
        layers: int = 1,
        rounds: int = 5,
        intercept_scaling: float = 0.3,
        sharpness: float = 0.6,
        alphas: Sequence[float] = ALPHAS,
        prior_weights: Sequence[float] = PRIOR_WEIGHTS,
        intercept_scales: Sequence[float] = INTERCEPT_SCALES,
        prior_smoothing: float = 0.02,
        pseudo_label_sharpness: float = 4.0,
        labeled_weight: float = 10.0,
        shrinkage: float = 0.4,
        mixture_weight: float = 1.0,
        n_components: int = 64,
        mixture_rounds: int = 20,
        mixture_sharpness: float = 2.0,
        covariance_shrinkage: float = 0.1,
        share_weight: float = 1.0,
        uniform_weight: float = 0.2,
        stacking_weights: Sequence[float] = (0.2, 0.5),
        stacking_alpha: float = 15.0,
        stacking_shots: float = 2.0,
        sharpness_deviation: float = 0.5,
        discriminant_weight: float = 0.5,
        class_balance: float = 0.5,
        cv: int = 5,
        random_state: int = 0,
    ) -> None:
        self.space = space
        self.targets = targets
        self.layers = layers
        self.rounds = rounds
        self.intercept_scaling = intercept_scaling
        self.sharpness = sharpness
        self.alphas = alphas
        self.prior_weights = prior_weights
        self.intercept_scales = intercept_scales
        self.prior_smoothing = prior_smoothing
        self.pseudo_label_sharpness = pseudo_label_sharpness
        self.labeled_weight = labeled_weight
        self.shrinkage = shrinkage
        self.mixture_weight = mixture_weight
        self.n_components = n_components
        self.mixture_sharpness = mixture_sharpness
        self.covariance_shrinkage = covariance_shrinkage
        self.share_weight = share_weight
        self.mixture_rounds = mixture_rounds
        self.uniform_weight = uniform_weight
        self.stacking_weights = stacking_weights
        self.stacking_alpha = stacking_alpha
        self.stacking_shots = stacking_shots
        self.sharpness_deviation = sharpness_deviation
        self.discriminant_weight = discriminant_weight
        self.class_balance = class_balance
        self.cv = cv
        self.random_state = random_state

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        if len(background) == 0:
            raise DataError("vocabulary_calibrator: no states to standardize with: give unlabeled states")
        if self.targets == "none" and len(labels) == 0:
            raise DataError("vocabulary_calibrator: targets none leave only labels to learn from: give labels")
        self.mean_, deviations = mean_and_deviation(background)
        self.scale_ = deviations * np.float32((self.layers * self.space.width) ** 0.5)
        z, shape = self._finite(states[: len(labels)]), (len(background), background.shape[1] + 1)
        pool = gathered_rows(shape, map(self._finite, row_blocks(background)))
        with thread_limits(1, "blas"):
            self_train = self._self_training(pool)
            prior = self._prior(pool, self_train, min(1.0, len(labels) / len(pool)))
            self.coef_ = self._learn(z, labels, pool, prior, self_train) if len(labels) else self.sharpness * prior

    def _prior(self, pool: Floats, self_train: SelfTrain, labeled: float) -> Floats:
        """Compute steps 1 and 2: weights (k·d + 1, C) of a prediction; `labeled` is the share of texts with labels."""
        classes = self.space.classes
        weights, equal = np.zeros((pool.shape[1], classes), np.float32), np.full(classes, 1 / classes)
        last = slice(-1 - self.space.width, -1)
        weights[last] = directions(self.space, self.targets, self.random_state).T
        weights = scaled(weights, pool)
        direct = balanced(weights, pool, equal, self.intercept_scaling)
        if self.rounds:
            weights = scaled(weights + self_train(weights, pool[:0], np.empty(0, np.int64), equal), pool)
        weights = balanced(weights, pool, equal, self.intercept_scaling)
        if self.mixture_weight and self.targets != "none":
            rows = target_vectors(self.space, KINDS[self.targets][-1], self.random_state)
            starts = [pool @ weights, logits_of(rows, pool[:, last], self.scale_[-self.space.width :])]
            clusters = cluster(pool, starts, settings_of(self, Clusters))
            weights = scaled(weights + np.float32(self.mixture_weight) * clusters, pool)
        return np.float32(labeled) * direct + np.float32(1 - labeled) * weights

    def _self_training(self, pool: Floats) -> SelfTrain:
        """Self-training from given weights → weights (k·d + 1, C) of a prediction of unit deviation."""
        parts = (self._layer_mean(pool[rows]) for rows in block_slices(pool))
        mean = gathered_rows((len(pool), self.space.width + 1), parts)
        scatter, settings = mean.T @ mean, settings_of(self, SelfTraining)

        def train(weights: Floats, z: Floats, labels: Ints, shares: Floats) -> Floats:
            narrow = self_train(mean, scatter, pool @ weights, self._layer_mean(z), labels, shares, settings)
            each = narrow[:-1] / np.float32(self.layers**0.5)
            wide = scaled(np.vstack([*[each] * self.layers, narrow[-1:]]), pool)
            return balanced(wide, pool, shares, self.intercept_scaling)

        return train

    def _learn(self, z: Floats, labels: Ints, pool: Floats, prior: Floats, self_train: SelfTrain) -> Floats:
        """Compute steps 3 to 6: weights (k·d + 1, C) of the logits."""
        classes = self.space.classes
        direct, held_out = self._ridge(z, labels, pool, prior)
        parts, estimates = [direct], [held_out]
        counts = np.bincount(labels, minlength=classes) + 1.0
        given = counts / counts.sum()
        shift = np.log(given) - np.log(given).mean()
        if self.rounds and len(labels) < len(pool):
            sharpness = self.sharpness * sharpen(self.sharpness * held_out, shift, labels, self.sharpness_deviation)
            shares = estimate_shares(sharpness * (pool @ direct) + shift, given, self.uniform_weight)
            parts.append(self_train(direct, z, labels, shares))
            spread = np.empty((len(z), classes))
            fold = deal_folds(labels, min(self.cv, len(labels)))
            for rest in (fold != number for number in np.unique(fold)):
                without, _ = self._ridge(z[rest], labels[rest], pool, prior)
                spread[~rest] = z[~rest] @ self_train(without, z[rest], labels[rest], shares)
            estimates.append(spread)
        mixed = weigh(estimates, labels, shift, settings_of(self, Stacking).where_labeled(len(labels) / len(pool)))
        weights = np.hstack(parts).astype(np.float64) @ mixed[:-1]
        weights[-1] += mixed[-1] / self.intercept_scaling
        stacked, settings = np.hstack(estimates) @ mixed[:-1] + mixed[-1], settings_of(self, Discriminants)
        return with_discriminants(weights, stacked, z, labels, prior, pool, settings).astype(np.float32)

    def _ridge(self, z: Floats, labels: Ints, pool: Floats, prior: Floats) -> tuple[Floats, Floats]:
        """Step 3: weights of a prediction of unit deviation, and its leave-one-out estimates for z."""
        fit = balanced_ridge(z, z @ prior, labels, settings_of(self, PriorRidge), self.class_balance)
        weights = np.float32(fit.prior_weight) * prior + fit.weights
        unit = deviation(pool @ weights)
        return weights / unit, fit.held_out / unit

    def _standardized(self, states: Floats) -> Floats:
        z = (states - self.mean_) / self.scale_
        return np.hstack([z, np.full((len(z), 1), self.intercept_scaling, np.float32)])

    def _finite(self, states: Floats) -> Floats:
        z = self._standardized(states)
        if not np.isfinite(z).all():
            raise TrainingFailed("vocabulary_calibrator: standardized states became infinite: check their scale")
        return z

    def _layer_mean(self, z: Floats) -> Floats:
        mean = z[:, :-1].reshape(len(z), self.layers, self.space.width).sum(axis=1) / np.float32(self.layers**0.5)
        return np.hstack([mean, z[:, -1:]])

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return calibrated states t, the nearest to z_L with logits t Tᵀ; z_L itself where T = 0.

        Parameters
        ----------
        X : array of shape (N, k·d)
            States.

        Returns
        -------
        ndarray of shape (N, d), float32
        """
        z = self._standardized(check_states(X, self.n_features_in_, self.name))
        rows = directions(self.space, self.targets, self.random_state)
        return nearest_states(z[:, -1 - self.space.width : -1], rows, z @ self.coef_)

    def _logits(self, states: Floats) -> Floats:
        return np.asarray(self._standardized(states) @ self.coef_)
