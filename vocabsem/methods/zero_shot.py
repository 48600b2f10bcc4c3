"""The model's own answer: its next-token logits on the label words."""

import numpy as np

from vocabsem.methods.base import Floats, Ints, Method
from vocabsem.methods.labels import LabelSpace


class ZeroShot(Method):
    """softmax over the label words of the model's logits, scale · (W h + b), soft-capped as the model does.

    Learns nothing. Its states must be the vectors that multiply the head.
    """

    name = "zero_shot"
    needs_labels = False

    def __init__(self, space: LabelSpace) -> None:
        self.space = space

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None: ...

    def _logits(self, states: Floats) -> Floats:
        space = self.space
        logits = (states.astype(np.float64) @ space.head.T.astype(np.float64) + space.bias) * space.scale
        return logits if space.softcap is None else space.softcap * np.tanh(logits / space.softcap)
