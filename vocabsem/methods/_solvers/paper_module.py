"""The paper's neural clustering module λ (§3.3), and M of them trained at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vocabsem.arrays import Floats, Ints
from vocabsem.errors import TrainingFailed
from vocabsem.runtime.parallel import matmul

Losses = Callable[[Tensor, Tensor], Tensor]  # λ(r) (M, b, d) and labels (M, b) → the mean loss of each module (M,)


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

    def initialize(self, generator: torch.Generator) -> None:
        """torch's own initialization, U(−1/√fan_in, 1/√fan_in), drawn from the given generator."""
        for layer in (self.squeeze, self.excite, self.widen, self.narrow):
            bound = layer.in_features**-0.5
            torch.nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            torch.nn.init.uniform_(layer.bias, -bound, bound, generator=generator)

    @classmethod
    def random(cls, d: int, generator: torch.Generator) -> "PaperModule":
        """An untrained module; nothing is drawn from torch's global generator."""
        with torch.device("meta"):
            module = cls(d)
        module = module.to_empty(device="cpu")
        torch.nn.init.ones_(module.norm.weight)
        torch.nn.init.zeros_(module.norm.bias)
        module.initialize(generator)
        return module


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """What one module learns: states (N, d), their labels (N,), and what draws its first weights and all orders."""

    states: Floats
    labels: Ints
    random_state: int
    rate: float
    decay: float


def train(
    jobs: Sequence[TrainingJob],
    losses: Losses,
    epochs: int,
    batch_size: int,
    *,
    dtype: torch.dtype,
    device: str = "cpu",
) -> list[dict[str, NDArray[np.float32]]]:
    """Adam on M modules, each on its own N rows in its own order: the weights of each, as if trained alone.

    Raises TrainingFailed where a loss is not finite.
    """
    generators = [torch.Generator().manual_seed(job.random_state) for job in jobs]
    modules = [PaperModule.random(jobs[0].states.shape[1], generator) for generator in generators]
    rates, decays = [job.rate for job in jobs], [job.decay for job in jobs]
    stack = Stack([module.to(device) for module in modules], rates, decays, dtype)
    different = {id(job.states): job.states for job in jobs}  # seeds may share their rows
    rows = torch.from_numpy(np.concatenate(list(different.values()))).to(device)
    count = len(jobs[0].labels)
    begin = torch.tensor([[list(different).index(id(job.states)) * count] for job in jobs])  # (M, 1)
    labels = torch.from_numpy(np.stack([job.labels for job in jobs]))
    for epoch in range(epochs):
        order = torch.stack([torch.randperm(count, generator=generator) for generator in generators])  # (M, N)
        rank, y = (order + begin).to(device), labels.gather(1, order).to(device)
        total = torch.zeros(len(jobs), device=device)
        for chosen, given in zip(rank.split(batch_size, dim=1), y.split(batch_size, dim=1), strict=True):
            total += stack.step(rows[chosen], given, losses)
        if not torch.isfinite(total).all():
            failed = int((~torch.isfinite(total)).nonzero()[0])
            raise TrainingFailed(
                f"paper_calibrator: the loss became {float(total[failed])} in epoch {epoch + 1} of {epochs}: "
                f"lower learning_rate (now {rates[failed]})"
            )
    return [stack.state(index) for index in range(len(jobs))]


class Stack:
    """M modules of one width, their parameters the rows of one array: products of stacked matrices do for all of them.

    Weights, gradients and Adam are float32 (float64 if `dtype` is); the layers' products are of numbers in `dtype`.
    The linear layers' gradients are written out, into memory that is kept; torch finds those of norm and loss.
    """

    def __init__(
        self, modules: Sequence[PaperModule], rates: Sequence[float], decays: Sequence[float], dtype: torch.dtype
    ) -> None:
        self.flat = torch.stack([torch.nn.utils.parameters_to_vector(m.parameters()).detach() for m in modules])
        if dtype == torch.float64:
            self.flat = self.flat.double()
        self.low = self.flat if dtype == self.flat.dtype else self.flat.to(dtype)  # (M, P)
        self.grads = torch.zeros_like(self.flat)
        self.shapes = {name: parameter.shape for name, parameter in modules[0].named_parameters()}
        self.weights, self.products, self.gradients = map(self._views, (self.flat, self.low, self.grads))
        groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
        for row, grad, *key in zip(self.flat, self.grads, rates, decays, strict=True):
            parameter = torch.nn.Parameter(row)  # the same memory
            parameter.grad = grad
            groups.setdefault((key[0], key[1]), []).append(parameter)
        settings = [{"params": rows, "lr": rate, "weight_decay": decay} for (rate, decay), rows in groups.items()]
        self.optimizer = torch.optim.Adam(settings, fused=True)
        self.multiply = matmul if torch.get_num_threads() == 1 else torch.matmul  # more of NumPy's threads would spin

    def _views(self, rows: Tensor) -> dict[str, Tensor]:
        """(M, P) → each parameter: a matrix (M, out, in), a vector (M, 1, out)."""
        views, start = {}, 0
        for name, shape in self.shapes.items():
            matrix = shape if len(shape) == 2 else (1, *shape)
            views[name] = rows[:, start : start + shape.numel()].unflatten(1, matrix)
            start += shape.numel()
        return views

    def step(self, r: Tensor, y: Tensor, losses: Losses) -> Tensor:
        """One step of Adam on states r (M, b, d) with labels y (M, b) → the losses before it (M,)."""
        r = r.to(self.low.dtype)
        squeezed = self._layer("squeeze", r).relu_()
        attention = self._layer("excite", squeezed).mul_(2)
        weighted = r * attention
        hidden = self._layer("widen", weighted).relu_()
        moved = self._layer("narrow", hidden).to(self.flat.dtype).requires_grad_()
        scale, shift = (self.weights[f"norm.{name}"].detach().requires_grad_() for name in ("weight", "bias"))
        loss = losses(torch.nn.functional.layer_norm(moved, moved.shape[-1:]) * scale + shift, y)
        grad, *of_norm = torch.autograd.grad(loss.sum(), (moved, scale, shift))
        for name, of_one in zip(("weight", "bias"), of_norm, strict=True):
            self.gradients[f"norm.{name}"].copy_(of_one)
        grad = self._back("narrow", hidden, grad.to(r.dtype)).mul_(hidden.sign_())  # hidden ≥ 0: 1 where it was fed
        grad = self._back("widen", weighted, grad).mul_(r).mul_(2)
        grad = self._back("excite", squeezed, grad).mul_(squeezed.sign_())
        self._note("squeeze", r, grad)
        self.optimizer.step()
        if self.low is not self.flat:
            self.low.copy_(self.flat)
        return loss.detach()

    def _layer(self, name: str, x: Tensor) -> Tensor:
        return self.multiply(x, self.products[f"{name}.weight"].mT).add_(self.products[f"{name}.bias"])

    def _back(self, name: str, x: Tensor, grad: Tensor) -> Tensor:
        """A layer's input x and the loss's grad by its output → the grad by x; notes those by its weights."""
        self._note(name, x, grad)
        return self.multiply(grad, self.products[f"{name}.weight"])

    def _note(self, name: str, x: Tensor, grad: Tensor) -> None:
        weight = self.gradients[f"{name}.weight"]
        if x.dtype == weight.dtype:
            self.multiply(grad.mT, x, out=weight)
        else:
            weight.copy_(self.multiply(grad.mT, x))
        self.gradients[f"{name}.bias"].copy_(grad.sum(dim=1, keepdim=True, dtype=weight.dtype))

    def state(self, index: int) -> dict[str, NDArray[np.float32]]:
        """The parameters of one module under their names."""
        named = {name: rows[index].reshape(self.shapes[name]) for name, rows in self.weights.items()}
        return {name: parameter.float().cpu().numpy().copy() for name, parameter in named.items()}
