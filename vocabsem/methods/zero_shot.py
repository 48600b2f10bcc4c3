"""The model's own answer: its next-token logits on the label words."""

from vocabsem.label_space import LabelSpace
from vocabsem.methods.base import Floats, Ints, Method


class ZeroShot(Method):
    """softmax over the label words of the model's logits, scale · (W h + b), soft-capped as the model does.

    Learns nothing. Its states must be the vectors that multiply the head.
    """

    name = "zero_shot"
    needs_labels = False
    background = "none"

    def __init__(self, space: LabelSpace) -> None:
        self.space = space

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None: ...

    def _logits(self, states: Floats) -> Floats:
        return self.space.label_logits(states)
