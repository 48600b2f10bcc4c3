"""The zero-shot probabilities, divided by those for inputs that should not matter: four published calibrations."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from vocabsem.arrays import Floats, Ints
from vocabsem.errors import DataError
from vocabsem.label_space import LabelSpace
from vocabsem.methods.base import Method

__all__ = [
    "BackgroundCalibration",
    "BatchCalibration",
    "ContextualCalibration",
    "DomainCalibration",
    "PointwiseMutualInformation",
]


class BackgroundCalibration(Method):
    """P(c) ∝ p(c|x) / p̄(c), p̄(c) the mean over background inputs b of p(c|b), all with the model's own softmax.

    p(c|·) is the softmax over the label words of the model's logits. The three differ in the background only, whose
    states are passed as `unlabeled`. Learns nothing from labels.

    Parameters
    ----------
    space : LabelSpace
        The label words.

    Attributes
    ----------
    log_prior_ : ndarray of shape (C,), float64
        log p̄.

    Examples
    --------
    >>> from vocabsem.methods import BatchCalibration
    >>> issubclass(BatchCalibration, BackgroundCalibration)
    True
    """

    needs_labels = False
    reads_label_logits_alone = True
    fit_copies = (0.0, 2.5)

    space: LabelSpace
    log_prior_: NDArray[np.float64]

    def __init__(self, space: LabelSpace) -> None:
        self.space = space

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        if len(background) == 0:
            raise DataError(f"{self.name}: no background states: extract those of the {self.background} prompts")
        log_p = log_softmax(self.space.label_logits(background), axis=1)  # (M, C)
        self.log_prior_ = self._mean(log_p)

    def _mean(self, log_p: Floats) -> NDArray[np.float64]:
        return np.asarray(logsumexp(log_p, axis=0) - np.log(len(log_p)))

    def _logits(self, states: Floats) -> Floats:
        return np.asarray(log_softmax(self.space.label_logits(states), axis=1) - self.log_prior_)


class ContextualCalibration(BackgroundCalibration):
    """Zhao et al. 2021, "Calibrate Before Use": the background is content-free inputs such as N/A.

    Parameters
    ----------
    space : LabelSpace
        The label words.

    Attributes
    ----------
    log_prior_ : ndarray of shape (C,), float64
        log p̄, the mean over the background.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpace
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> from vocabsem import ContextualCalibration
    >>> ContextualCalibration(space).fit(X, unlabeled=X[:3]).predict(X[:2]).tolist()
    [0, 0]
    """

    name = "contextual_calibration"
    background = "content_free"


class DomainCalibration(BackgroundCalibration):
    """Fei et al. 2023, "Mitigating Label Biases for In-context Learning": random words of the domain's texts.

    Parameters
    ----------
    space : LabelSpace
        The label words.

    Attributes
    ----------
    log_prior_ : ndarray of shape (C,), float64
        log p̄, the mean over the background.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpace
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> from vocabsem import DomainCalibration
    >>> DomainCalibration(space).fit(X, unlabeled=X[:3]).predict(X[:2]).tolist()
    [0, 0]
    """

    name = "domain_calibration"
    background = "domain_words"


class BatchCalibration(BackgroundCalibration):
    """Zhou et al. 2024, "Batch Calibration": the batch is the training texts, unlabeled; no test text is read.

    Parameters
    ----------
    space : LabelSpace
        The label words.

    Attributes
    ----------
    log_prior_ : ndarray of shape (C,), float64
        log p̄, the mean over the background.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpace
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> from vocabsem import BatchCalibration
    >>> BatchCalibration(space).fit(X, unlabeled=X[:3]).predict(X[:2]).tolist()
    [0, 0]
    """

    name = "batch_calibration"
    background = "train"


class PointwiseMutualInformation(BackgroundCalibration):
    """Holtzman et al. 2021, "Surface Form Competition": log p(c|x) − log p(c|b), the mean over content-free prompts b.

    The paper has one premise b without the text; then it is contextual calibration. Over several b the mean here is of
    log p(c|b), and there of p(c|b). Both leave out what is equal for all classes, as it decides nothing.

    Parameters
    ----------
    space : LabelSpace
        The label words.

    Attributes
    ----------
    log_prior_ : ndarray of shape (C,), float64
        The mean over the background of log p(c|b).

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpace, PointwiseMutualInformation
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> PointwiseMutualInformation(space).fit(X, unlabeled=X[:3]).predict(X[:2]).tolist()
    [0, 0]
    """

    name = "pmi"
    background = "content_free"
    label_kinds = ("nominal", "ordinal", "choice")

    def _mean(self, log_p: Floats) -> NDArray[np.float64]:
        return np.asarray(log_p.mean(axis=0))
