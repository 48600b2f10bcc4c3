"""The paper's neural clustering module (§3.3), trained on similarity logits, as published."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from vocabsem.arrays import Floats, Ints, check_states
from vocabsem.label_space import LabelSpace, Targets, target_vectors
from vocabsem.methods._solvers.paper_module import Losses, PaperModule, TrainingJob, train
from vocabsem.methods.base import Data, Method
from vocabsem.runtime.parallel import parallel_map, thread_limits
from vocabsem.vocabulary.similarity import SimilarityMetric, as_tensor, similarity_logits

__all__ = ["PaperCalibrator"]

STACKED = {"cpu": 2_000_000, "gpu": 1_000_000_000}  # numbers of a stack: few stay in a cache, many fill a GPU


class PaperCalibrator(Method):
    """The module λ, trained by Adam for 100 epochs of batches of 256, no temperature; `transform` returns λ(r).

    The paper's ablation (its Table 6) is `trained_on` × `inferred_by`. The loss is

        labels      cross-entropy of similarity(λ(r), s_c) over the C label words
        vocabulary  the same over all tokens, the label words among them; reads `space.vocabulary` in `fit`
        truth       1 − similarity(λ(r), s_y), the true label's anchor alone (the paper's sm-gt)
        matmul      cross-entropy of the model's own logits of the label words at λ(r), scale · (W λ(r) + b)

    and the classes of a prediction are compared by `similarity` or by `matmul`, over the label words always.

    Parameters
    ----------
    space : LabelSpace
        The label words; with the vocabulary where it trains on all tokens.
    metric : {"cosine", "l2", "dot"}, default="cosine"
        The similarity.
    targets : {"anchors", "head", "random"}, default="anchors"
        The last two are controls that stand for the anchors, of other tokens too.
    trained_on : {"labels", "vocabulary", "truth", "matmul"}, default="labels"
        The loss.
    inferred_by : {"similarity", "matmul"}, default="similarity"
        What compares the classes of a prediction.
    epochs, batch_size : int, default=100, 256
        Passes over the rows, and rows a step.
    learning_rate, weight_decay : float, default=1e-3, 0
        Of Adam; λ of its λ/2 ‖weights‖².
    dtype : {"float32", "bfloat16", "float64"}, default="float32"
        In which the module's products are taken in training; bfloat16, where the processor has it, is two to three
        times as fast on thousands of rows, its weights and Adam still float32.
    device : str, default="cpu"
        Where it trains.
    random_state : int, default=0
        Draws the first weights, the order of rows, and random targets.

    Attributes
    ----------
    state_dict_ : dict of str to ndarray, float32
        The module's parameters by torch's names.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpace
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> from vocabsem import PaperCalibrator
    >>> PaperCalibrator(space, epochs=5).fit(X, y).transform(X).shape
    (4, 2)
    """

    name = "paper_calibrator"
    fit_copies = (1.5, 0.3)
    takes_random_state = True
    trains = True
    positive = ("epochs", "batch_size")
    reads_vocabulary_with = ("trained_on=vocabulary",)
    temperature_folds = 2  # each is a training as long as the one on all rows
    choices: ClassVar = {
        "metric": ("cosine", "l2", "dot"),
        "targets": ("anchors", "head", "random"),
        "trained_on": ("labels", "vocabulary", "truth", "matmul"),
        "inferred_by": ("similarity", "matmul"),
        "dtype": ("float32", "bfloat16", "float64"),
    }

    space: LabelSpace
    state_dict_: dict[str, NDArray[np.float32]]

    def __init__(
        self,
        space: LabelSpace,
        *,
        metric: SimilarityMetric = "cosine",
        targets: Targets = "anchors",
        trained_on: Literal["labels", "vocabulary", "truth", "matmul"] = "labels",
        inferred_by: Literal["similarity", "matmul"] = "similarity",
        epochs: int = 100,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        dtype: Literal["float32", "bfloat16", "float64"] = "float32",
        device: str = "cpu",
        random_state: int = 0,
    ) -> None:
        self.space = space
        self.metric = metric
        self.targets = targets
        self.trained_on = trained_on
        self.inferred_by = inferred_by
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dtype = dtype
        self.device = device
        self.random_state = random_state

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self._fit_together([self], [(states, labels, background)])

    @classmethod
    def _fit_together(cls, estimators: Sequence[Self], data: Sequence[Data]) -> None:
        groups = defaultdict(list)
        for estimator, (states, labels, _) in zip(estimators, data, strict=True):
            groups[estimator._group_key(len(labels))].append((estimator, states, labels))
        chunks = [
            members[start : start + size]
            for members in groups.values()
            for size in [members[0][0]._stack_size()]
            for start in range(0, len(members), size)
        ]
        if len(chunks) == 1:  # all threads are its own
            cls._train(chunks[0])
        else:
            with parallel_map(torch.device(estimators[0].device)) as run, thread_limits(1, "blas"):
                list(run(cls._train, chunks))

    @staticmethod
    def _train(members: Sequence[tuple["PaperCalibrator", Floats, Ints]]) -> None:
        one = members[0][0]
        jobs = [TrainingJob(x, y, e.random_state, e.learning_rate, e.weight_decay) for e, x, y in members]
        losses = one._losses([e for e, *_ in members])
        trained = train(jobs, losses, one.epochs, one.batch_size, dtype=getattr(torch, one.dtype), device=one.device)
        for (estimator, *_), weights in zip(members, trained, strict=True):
            estimator.state_dict_ = weights

    def _group_key(self, rows: int) -> tuple[Any, ...]:
        """Estimators that agree in it can be trained side by side."""
        space = (self.space.width, self.space.classes, self.space.scale, self.space.softcap)
        return rows, space, self.metric, self.trained_on, self.epochs, self.batch_size, self.dtype, self.device

    def _stack_size(self) -> int:
        """How many modules are stacked."""
        vocabulary, width = self.space.vocabulary, self.space.width
        compared = len(vocabulary.head) if vocabulary and self.needs_vocabulary else self.space.classes
        numbers = STACKED["cpu" if self.device == "cpu" else "gpu"]
        return max(1, numbers // (5 * width**2 + compared * (width + self.batch_size)))

    def _targets(self) -> NDArray[np.float32]:
        """Return what the loss compares λ(r) with: (C, d), or (C and the others, d)."""
        space = self.space.with_other_tokens() if self.needs_vocabulary else self.space
        return target_vectors(space, "head" if self.trained_on == "matmul" else self.targets, self.random_state)

    def _losses(self, estimators: Sequence["PaperCalibrator"]) -> Losses:
        """Return the losses of M estimators that have this one's group key."""
        targets = torch.from_numpy(np.stack([e._targets() for e in estimators])).to(self.device)
        bias = torch.from_numpy(np.stack([e.space.bias for e in estimators])).to(self.device)[:, None]
        scale, cap = self.space.scale, self.space.softcap

        def losses(moved: Tensor, y: Tensor) -> Tensor:
            if self.trained_on == "matmul":
                logits = scale * (moved @ targets.mT.to(moved.dtype) + bias)
                logits = logits if cap is None else cap * torch.tanh(logits / cap)
            else:
                logits = similarity_logits(moved, targets, self.metric)
            if self.trained_on == "truth":
                return 1 - logits.gather(2, y[:, :, None]).mean(dim=(1, 2))
            each = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")
            return each.view(y.shape).mean(dim=1)

        return losses

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the calibrated states λ(r).

        Parameters
        ----------
        X : array of shape (N, d)
            States.

        Returns
        -------
        ndarray of shape (N, d), float32
        """
        states = check_states(X, self.n_features_in_, self.name)
        with torch.device("meta"):
            module = PaperModule(self.space.width)
        module.load_state_dict({name: as_tensor(a) for name, a in self.state_dict_.items()}, assign=True)
        with torch.inference_mode():
            return np.asarray(module(as_tensor(states)).numpy())

    def _logits(self, states: Floats) -> Floats:
        if self.inferred_by == "matmul":
            return self.space.label_logits(self.transform(states))
        targets = target_vectors(self.space, self.targets, self.random_state)
        return np.asarray(similarity_logits(self.transform(states), targets, self.metric).numpy())
