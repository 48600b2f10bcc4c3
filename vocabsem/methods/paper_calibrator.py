"""The paper's neural clustering module (§3.3), trained on similarity logits, as published."""

from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from vocabsem.errors import TrainingFailed
from vocabsem.language_model import Head
from vocabsem.methods.base import Floats, Ints, Method, check_states
from vocabsem.methods.labels import LabelSpace, Targets, in_place_of_anchors
from vocabsem.similarity import Metric, as_tensor, similarity_logits


class PaperModule(torch.nn.Module):
    """λ(r) = LN(MLP(r ⊙ CA(r))), CA(r) = Bn(avg(r)) + Bn(max(r)); (N, d) → (N, d).

    MLP is d → 2d → d and the bottleneck Bn is d → d/16 → d, shared by both branches: 33/8·d² weights in matrices, the
    published size. A state is a single token, so its average and its maximum over tokens are both r itself. The paper
    names no activation; both parts use ReLU, as squeeze-and-excitation does, and there is no residual and no sigmoid.
    """

    def __init__(self, d: int) -> None:
        super().__init__()
        self.squeeze = torch.nn.Linear(d, max(1, d // 16))
        self.excite = torch.nn.Linear(max(1, d // 16), d)
        self.widen = torch.nn.Linear(d, 2 * d)
        self.narrow = torch.nn.Linear(2 * d, d)
        self.norm = torch.nn.LayerNorm(d)

    def forward(self, r: Tensor) -> Tensor:
        attention = 2 * self.excite(torch.relu(self.squeeze(r)))
        hidden = torch.relu(self.widen(r * attention))
        normed: Tensor = self.norm(self.narrow(hidden))
        return normed

    def initialise(self, generator: torch.Generator) -> None:
        """torch's own initialisation, U(−1/√fan_in, 1/√fan_in), drawn from the given generator."""
        for layer in (self.squeeze, self.excite, self.widen, self.narrow):
            bound = layer.in_features**-0.5
            torch.nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            torch.nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


class PaperCalibrator(Method):
    """The module λ, trained by Adam for 100 epochs of batches of 256, no temperature; `transform` gives λ(r).

    The paper's ablation (its Table 6) is `trained_on` × `inferred_by`. The loss is

        labels      cross-entropy of similarity(λ(r), s_c) over the C label words
        vocabulary  the same over all tokens, the label words among them; reads `space.vocabulary` in `fit`
        truth       1 − similarity(λ(r), s_y), the true label's anchor alone (the paper's sm-gt)
        matmul      cross-entropy of the model's own logits of the label words at λ(r), scale · (W λ(r) + b)

    and the classes of a prediction are compared by `similarity` or by `matmul`, over the label words always.
    targets: "head" or "random" put a control in the anchors' place, of other tokens too.
    """

    name = "paper_calibrator"
    trains = True
    uses_anchors = True
    choices: ClassVar = {
        "metric": ("cosine", "l2", "dot"),
        "targets": ("anchors", "head", "random"),
        "trained_on": ("labels", "vocabulary", "truth", "matmul"),
        "inferred_by": ("similarity", "matmul"),
    }

    weights_: dict[str, NDArray[np.float32]]

    def __init__(
        self,
        space: LabelSpace,
        *,
        metric: Metric = "cosine",
        targets: Targets = "anchors",
        trained_on: Literal["labels", "vocabulary", "truth", "matmul"] = "labels",
        inferred_by: Literal["similarity", "matmul"] = "similarity",
        epochs: int = 100,
        batch: int = 256,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        self.space = space
        self.metric = metric
        self.targets = targets
        self.trained_on = trained_on
        self.inferred_by = inferred_by
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.seed = seed
        self.reads_vocabulary = trained_on == "vocabulary"

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        with torch.device("meta"):  # no draw from the global generator
            module = PaperModule(self.space.width)
        module = module.to_empty(device="cpu")
        torch.nn.init.ones_(module.norm.weight)
        torch.nn.init.zeros_(module.norm.bias)
        module.initialise(generator)
        r, y = as_tensor(states), as_tensor(labels)
        space = self.space.with_other_tokens() if self.reads_vocabulary else self.space
        targets = as_tensor(in_place_of_anchors(space, self.targets, self.seed))  # (C, d), or (C and the others, d)
        optimiser = torch.optim.Adam(module.parameters(), lr=self.learning_rate, fused=True)
        for epoch in range(self.epochs):
            total = torch.zeros(())
            for rows in torch.split(torch.randperm(len(y), generator=generator), self.batch):
                loss = self._loss(module(r[rows]), y[rows], targets)
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
                total += loss.detach()
            if not torch.isfinite(total):
                raise TrainingFailed(
                    f"paper_calibrator: the loss became {float(total)} in epoch {epoch + 1} of {self.epochs}: "
                    f"lower learning_rate (now {self.learning_rate})"
                )
        self.weights_ = {name: tensor.numpy() for name, tensor in module.state_dict().items()}

    def _loss(self, moved: Tensor, y: Tensor, targets: Tensor) -> Tensor:
        """λ(r) (b, d), y (b,), targets (at least C, d) → the mean loss."""
        if self.trained_on == "matmul":
            space = self.space
            head = Head(as_tensor(space.head), as_tensor(space.bias), space.softcap, space.scale, space.classes)
            return torch.nn.functional.cross_entropy(head.logits(moved), y)
        logits = similarity_logits(moved, targets, self.metric)
        if self.trained_on == "truth":
            return 1 - logits.gather(1, y[:, None]).mean()
        return torch.nn.functional.cross_entropy(logits, y)

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """States (N, d) → calibrated states λ(r) (N, d) float32."""
        states = check_states(X, self.n_features_in_, self.name)
        with torch.device("meta"):
            module = PaperModule(self.space.width)
        module.load_state_dict({name: as_tensor(a) for name, a in self.weights_.items()}, assign=True)
        with torch.inference_mode():
            return np.asarray(module(as_tensor(states)).numpy())

    def _logits(self, states: Floats) -> Floats:
        if self.inferred_by == "matmul":
            return self.space.own_logits(self.transform(states))
        targets = in_place_of_anchors(self.space, self.targets, self.seed)
        return np.asarray(similarity_logits(self.transform(states), targets, self.metric).numpy())
