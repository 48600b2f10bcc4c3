"""A committee of small networks that learns from the labels what a linear reader leaves over."""

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor

from vocabsem.errors import TrainingFailed
from vocabsem.methods.base import Floats, Ints
from vocabsem.similarity import as_tensor

HIDDEN = 64
EPOCHS = 10  # of whole batches: few labels are few steps, down to none below 13, so it grows with the labels
BATCH = 256
MOST_STEPS = 1000  # however many rows there are
LEARNING_RATE = 3e-3
DECAY = 1.0
STEP = 0.5  # the share of its proposal that is taken, as in boosting

Committee = dict[str, NDArray[np.float32]]  # down (M, D, h), shift (M, 1, h), up (M, h, C)


def train_committee(z: Floats, offset: Floats, labels: Ints, *, members: int, seed: int) -> Committee:
    """Train M networks g_m(z) = gelu(z V_m + c_m) U_m, (D → h → C), each on Σ −log softmax(offset + g_m(z))[y].

    z (N, D) float32, offset (N, C) float32: the logits so far, labels (N,). U starts at zero, so an untrained
    committee changes nothing. AdamW, cosine schedule; each member draws its own batches, with replacement.
    Raises TrainingFailed when the loss is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    (rows, width), classes = z.shape, offset.shape[1]
    down = torch.randn(members, width, HIDDEN, generator=generator) / width**0.5
    parts = {"down": down, "shift": torch.zeros(members, 1, HIDDEN), "up": torch.zeros(members, HIDDEN, classes)}
    steps = min(MOST_STEPS, round(EPOCHS * rows / BATCH))
    if members and steps:
        with threadpool_limits(1):  # products this small lose more to a second thread's waiting than they gain
            _train(parts, as_tensor(z), as_tensor(offset), as_tensor(labels), steps, generator)
    return {name: part.detach().numpy() for name, part in parts.items()}


def _train(
    parts: dict[str, Tensor], z: Tensor, offset: Tensor, labels: Tensor, steps: int, generator: torch.Generator
) -> None:
    members, classes = len(parts["up"]), offset.shape[1]
    parameters = [part.requires_grad_() for part in parts.values()]
    optimiser = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=DECAY, foreach=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    total = torch.zeros(())
    for _ in range(steps):
        rows = torch.randint(len(z), (members, BATCH), generator=generator)
        logits = offset[rows] + _propose(parts, z[rows])  # (M, b, C)
        # the mean over b rows of each member, summed over members, which share no weights
        loss = members * torch.nn.functional.cross_entropy(logits.reshape(-1, classes), labels[rows].reshape(-1))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        total += loss.detach()
    if not torch.isfinite(total):
        raise TrainingFailed(
            f"committee of {members} networks: the loss became {float(total)}: check the states' scale"
        )


def _propose(parts: dict[str, Tensor], z: Tensor) -> Tensor:
    return torch.nn.functional.gelu(z @ parts["down"] + parts["shift"]) @ parts["up"]


def committee_logits(committee: Committee, z: Floats) -> NDArray[np.float32]:
    """½ · the members' mean proposal (N, C) float32; zeros for a committee without members."""
    parts = {name: as_tensor(part) for name, part in committee.items()}
    with torch.inference_mode():
        proposals = _propose(parts, as_tensor(np.asarray(z, np.float32)))  # (M, N, C)
        return np.asarray((STEP * proposals.sum(0) / max(1, len(proposals))).numpy())
