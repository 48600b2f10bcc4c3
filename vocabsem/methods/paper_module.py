"""The paper's neural clustering module λ (§3.3)."""

import torch
from torch import Tensor


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

    @classmethod
    def drawn(cls, d: int, generator: torch.Generator) -> "PaperModule":
        """An untrained module; nothing is drawn from torch's global generator."""
        with torch.device("meta"):
            module = cls(d)
        module = module.to_empty(device="cpu")
        torch.nn.init.ones_(module.norm.weight)
        torch.nn.init.zeros_(module.norm.bias)
        module.initialise(generator)
        return module
