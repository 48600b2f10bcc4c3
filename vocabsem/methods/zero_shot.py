"""The model's next-token logits on the label words."""

from vocabsem.arrays import Floats, Ints
from vocabsem.label_space import LabelSpace
from vocabsem.methods.base import Method

__all__ = ["ZeroShot"]


class ZeroShot(Method):
    """softmax over the label words of the model's logits, scale · (W h + b), soft-capped as the model does.

    Learns nothing. Its states must be the vectors that multiply the head.

    Parameters
    ----------
    space : LabelSpace
        The label words.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
        0 to C - 1.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpace
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> from vocabsem import ZeroShot
    >>> ZeroShot(space).fit(X).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "zero_shot"
    fit_copies = (0.0, 0.3)
    needs_labels = False
    background = "none"
    reads_label_logits_alone = True
    label_kinds = ("nominal", "ordinal", "choice")

    space: LabelSpace

    def __init__(self, space: LabelSpace) -> None:
        self.space = space

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None: ...

    def _logits(self, states: Floats) -> Floats:
        return self.space.label_logits(states)
