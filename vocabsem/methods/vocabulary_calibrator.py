"""Our calibrator: standardised states, moved towards the anchors by a residual that starts at nothing."""

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from vocabsem.errors import TrainingFailed
from vocabsem.methods.base import Floats, Ints, Method, check_states, mean_and_scale
from vocabsem.methods.labels import LabelSpace, Targets, in_place_of_anchors


class VocabularyCalibrator(Method):
    name = "vocabulary_calibrator"
    trains = True
    uses_anchors = True
    choices: ClassVar = {"targets": ("anchors", "head", "random")}

    mean_: NDArray[np.float32]
    scale_: NDArray[np.float32]
    down_: NDArray[np.float32]
    up_: NDArray[np.float32]

    def __init__(
        self,
        space: LabelSpace,
        *,
        targets: Targets = "anchors",
        layers: int = 1,
        rank: int = 64,
        temperature: float = 10.0,
        steps: int = 300,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.space = space
        self.targets = targets
        self.layers = layers
        self.rank = rank
        self.temperature = temperature
        self.steps = steps
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.seed = seed

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self.mean_, self.scale_ = mean_and_scale(background)
        z = self._standardised(states)
        y = torch.from_numpy(labels)
        generator = torch.Generator().manual_seed(self.seed)
        width = z.shape[1]
        down = (torch.randn(width, self.rank, generator=generator) / width**0.5).requires_grad_()
        up = torch.zeros(self.rank, self.space.width, requires_grad=True)
        optimiser = torch.optim.AdamW([down, up], lr=self.learning_rate, weight_decay=self.weight_decay, foreach=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.steps)
        loss = torch.zeros(())
        for _ in range(self.steps):
            rows = torch.randint(len(y), (256,), generator=generator) if len(y) > 256 else torch.arange(len(y))
            loss = torch.nn.functional.cross_entropy(self._similarity(self._move(z[rows], down, up)), y[rows])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
        if not torch.isfinite(loss):
            raise TrainingFailed(f"vocabulary_calibrator: the loss became {float(loss)}: lower learning_rate")
        self.down_, self.up_ = down.detach().numpy(), up.detach().numpy()

    def _standardised(self, states: Floats) -> Tensor:
        return torch.from_numpy((states - self.mean_) / self.scale_)

    def _move(self, z: Tensor, down: Tensor, up: Tensor) -> Tensor:
        identity = z.reshape(len(z), self.layers, self.space.width).mean(1)
        return identity + torch.nn.functional.gelu(z @ down) @ up

    def _similarity(self, moved: Tensor) -> Tensor:
        targets = torch.from_numpy(in_place_of_anchors(self.space, self.targets, self.seed))
        unit = torch.nn.functional.normalize
        return self.temperature * unit(moved, dim=1) @ unit(targets, dim=1).mT

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """States (N, layers·d) → calibrated states (N, d) float32."""
        states = check_states(X, self.n_features_in_, self.name)
        with torch.inference_mode():
            moved = self._move(self._standardised(states), torch.from_numpy(self.down_), torch.from_numpy(self.up_))
            return np.asarray(moved.numpy())

    def _logits(self, states: Floats) -> Floats:
        return np.asarray(self._similarity(torch.from_numpy(self.transform(states))).numpy())
