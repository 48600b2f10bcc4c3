"""Several words per class, found without labels: the tokens nearest to its label word, refined on unlabeled texts."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from vocabsem.arrays import Floats, Ints, unit_rows
from vocabsem.label_space import LabelSpace, Vocabulary
from vocabsem.methods.base import Method
from vocabsem.vocabulary.similarity import nearest_tokens

__all__ = ["AutoVerbalizer"]

BLOCK = 64  # texts at a time: (64, V) logits in float64 are 25 MB where V is 49,152


class AutoVerbalizer(Method):
    """The mean over a class's words w of log P(w|x) − log P̄(w), P̄ the mean over unlabeled texts.

    The words of a class are its label word and the tokens whose anchors are nearest to its own, less those that go
    with another class as well: of KPT (Hu et al. 2022, "Knowledgeable Prompt-tuning") the relevance refinement, here of
    words that the vocabulary itself proposes, and the calibration of each word. With q(w) = P(w|x) over the unlabeled
    texts x, a word w of class c is kept where

        R(w) = (C − 1) · cos(q(w), q(c)) / Σ_{c' ≠ c} cos(q(w), q(c')) ≥ min_relevance,

    q(c) that of the label word. Learns nothing from labels.

    Parameters
    ----------
    space : LabelSpace
        The label words, with the vocabulary.
    n_words : int, default=20
        Tokens proposed for a class.
    min_relevance : float, default=1
        R below which a proposed token is left out.
    n_support : int, default=200
        Unlabeled texts, evenly over their order, from which R and P̄ are computed (Hu et al., 2022).

    Attributes
    ----------
    words_ : ndarray of shape (M,), int64
        Tokens of all classes, without the label words.
    word_classes_ : ndarray of shape (C + M,), int64
        The class of each label word and of each of these tokens.
    head_, bias_ : ndarrays of shapes (C + M, d) and (C + M,), float32
        Rows of the head, those of the label words first.
    log_prior_ : ndarray of shape (C + M,), float64
        log P̄.

    Examples
    --------
    >>> import numpy as np
    >>> from vocabsem import AutoVerbalizer
    >>> from vocabsem.label_space import Vocabulary
    >>> X = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]])
    >>> rows = np.array([[0.0, 1.0], [1.0, 0.0], [0.1, 1.0], [1.0, 0.1]])
    >>> space = Vocabulary(rows, np.zeros(4), rows, [[0], [1]]).label_space(softcap=None, scale=1.0, whole=True)
    >>> method = AutoVerbalizer(space, n_words=1).fit(X)
    >>> method.words_.tolist(), method.predict(X).tolist()
    ([2, 3], [0, 0, 1, 1])
    """

    name = "auto_verbalizer"
    needs_labels = False
    learns_from_unlabeled = True
    reads_vocabulary = True
    fit_copies = (0.0, 4.0)
    positive = ("n_words", "n_support")

    space: LabelSpace
    words_: NDArray[np.int64]
    word_classes_: NDArray[np.int64]
    head_: NDArray[np.float32]
    bias_: NDArray[np.float32]
    log_prior_: NDArray[np.float64]

    def __init__(
        self, space: LabelSpace, *, n_words: int = 20, min_relevance: float = 1.0, n_support: int = 200
    ) -> None:
        self.space = space
        self.n_words = n_words
        self.min_relevance = min_relevance
        self.n_support = n_support

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        space, vocabulary, classes = self.space, self.space.vocabulary, self.space.classes
        assert vocabulary is not None
        tokens, of = _nearest(vocabulary, space, self.n_words)
        self._keep(vocabulary, tokens, of)
        support = background[np.unique(np.linspace(0, len(background) - 1, self.n_support).round().astype(int))]
        log_q = self._log_probabilities(support, vocabulary)  # (S, C + M)
        q = unit_rows(np.exp(log_q - log_q.max(axis=0)).T)  # (C + M, S)
        cosine = q[classes:] @ q[:classes].T  # (M, C)
        own = cosine[np.arange(len(tokens)), of]
        kept = (classes - 1) * own >= self.min_relevance * (cosine.sum(axis=1) - own)
        self._keep(vocabulary, tokens[kept], of[kept])
        log_q = log_q[:, np.concatenate([np.full(classes, True), kept])]
        self.log_prior_ = logsumexp(log_q, axis=0) - np.log(len(log_q))

    def _keep(self, vocabulary: Vocabulary, tokens: NDArray[np.int64], of: NDArray[np.int64]) -> None:
        self.words_, self.word_classes_ = tokens, np.concatenate([np.arange(self.space.classes), of])
        self.head_ = np.concatenate([self.space.head, vocabulary.head[tokens]])
        self.bias_ = np.concatenate([self.space.bias, vocabulary.bias[tokens]])

    def _word_logits(self, states: Floats) -> NDArray[np.float64]:
        return LabelSpace(self.head_, self.head_, self.bias_, self.space.softcap, self.space.scale).label_logits(states)

    def _log_probabilities(self, states: Floats, vocabulary: Vocabulary) -> NDArray[np.float64]:
        """(S, C + M): of the words among all tokens."""
        whole = LabelSpace(vocabulary.head, vocabulary.head, vocabulary.bias, self.space.softcap, self.space.scale)
        starts = range(0, len(states), BLOCK)
        total = [logsumexp(whole.label_logits(states[start : start + BLOCK]), axis=1) for start in starts]
        return np.asarray(self._word_logits(states) - np.concatenate(total)[:, None])

    def _logits(self, states: Floats) -> Floats:
        lifts = self._word_logits(states) - self.log_prior_  # log P(w|x) − log P̄(w), but for what all words share
        weights = np.eye(self.space.classes)[self.word_classes_]
        return np.asarray(lifts @ (weights / weights.sum(axis=0)))


def _nearest(vocabulary: Vocabulary, space: LabelSpace, n_words: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the tokens nearest to each label word by centered anchors, and their classes, without label tokens.

    A token that is near to several classes is that of the nearest one.
    """
    mean = vocabulary.anchors.mean(axis=0)
    own = np.concatenate(vocabulary.label_ids)
    most = min(n_words + len(own), len(vocabulary.anchors))
    values, ids = (each.numpy() for each in nearest_tokens(space.anchors - mean, vocabulary.anchors - mean, most))
    best: dict[int, tuple[float, int]] = {}
    for c, (near, similarity) in enumerate(zip(ids.tolist(), values.tolist(), strict=True)):
        others = [(token, value) for token, value in zip(near, similarity, strict=True) if token not in own]
        for token, value in others[:n_words]:
            best[token] = max(best.get(token, (-np.inf, 0)), (value, c))
    tokens = np.array(list(best), np.int64)
    return tokens, np.array([c for _, c in best.values()], np.int64)
