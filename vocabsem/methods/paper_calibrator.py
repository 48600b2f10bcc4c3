"""The paper's neural clustering module (§3.3), trained on similarity logits, as published."""

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from vocabsem.errors import TrainingFailed
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
    """Cross-entropy of similarity(λ(r), s_c) over the label words: Adam, 100 epochs of batches of 256, no temperature.

    `transform` gives λ(r). targets: "head" or "random" put a control in the anchors' place.
    """

    name = "paper_calibrator"
    trains = True
    uses_anchors = True
    choices: ClassVar = {"metric": ("cosine", "l2", "dot"), "targets": ("anchors", "head", "random")}

    weights_: dict[str, NDArray[np.float32]]

    def __init__(
        self,
        space: LabelSpace,
        *,
        metric: Metric = "cosine",
        targets: Targets = "anchors",
        epochs: int = 100,
        batch: int = 256,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        self.space = space
        self.metric = metric
        self.targets = targets
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.seed = seed

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        with torch.device("meta"):  # no draw from the global generator
            module = PaperModule(self.space.width)
        module = module.to_empty(device="cpu")
        torch.nn.init.ones_(module.norm.weight)
        torch.nn.init.zeros_(module.norm.bias)
        module.initialise(generator)
        r, y = as_tensor(states), as_tensor(labels)
        targets = as_tensor(in_place_of_anchors(self.space, self.targets, self.seed))
        optimiser = torch.optim.Adam(module.parameters(), lr=self.learning_rate, fused=True)
        for epoch in range(self.epochs):
            total = torch.zeros(())
            for rows in torch.split(torch.randperm(len(y), generator=generator), self.batch):
                loss = torch.nn.functional.cross_entropy(
                    similarity_logits(module(r[rows]), targets, self.metric), y[rows]
                )
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

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """States (N, d) → calibrated states λ(r) (N, d) float32."""
        states = check_states(X, self.n_features_in_, self.name)
        with torch.device("meta"):
            module = PaperModule(self.space.width)
        module.load_state_dict({name: as_tensor(a) for name, a in self.weights_.items()}, assign=True)
        with torch.inference_mode():
            return np.asarray(module(as_tensor(states)).numpy())

    def _logits(self, states: Floats) -> Floats:
        targets = in_place_of_anchors(self.space, self.targets, self.seed)
        return np.asarray(similarity_logits(self.transform(states), targets, self.metric).numpy())
