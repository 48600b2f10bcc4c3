"""Sparse autoencoders of four activations: x ≈ b + W_dᵀ σ(W_e (x − b) + c), the rows of W_d of unit length.

- topk keeps the k largest positive numbers of a row (Gao et al., arXiv 2406.04093),
- abstopk the k of largest magnitude, with their signs (arXiv 2510.00404),
- batchtopk the k N largest positive ones of N rows, later those over their mean threshold (Bussmann et al., arXiv
  2412.06410),
- top_afa as many of the largest positive ones as bring their norm nearest to |x − b| (Lee et al., arXiv 2503.24277).

All are trained on squared error alone, from rows of the data in place of random ones.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ACTIVATIONS", "Autoencoder", "train_autoencoder"]

Floats = NDArray[np.floating]
ACTIVATIONS = ("topk", "abstopk", "batchtopk", "top_afa")
BATCH = 256  # rows of a step of the training
PIECE = 1024  # rows that are encoded at a time
LEARNING_RATE = 5e-3  # of Adam at the start; it falls to 0 on a line
DENSE = 1 / 16  # share of codes that are not 0 from which a whole product takes less time
THRESHOLD_MEMORY = 0.99  # share of batchtopk's threshold that a step keeps


@dataclass(frozen=True, eq=False)
class Autoencoder:
    """A trained dictionary of m features of d numbers.

    Attributes
    ----------
    activation : str
        One of `ACTIVATIONS`.
    encoder : ndarray of shape (d, m), float32
        W_e, transposed.
    bias : ndarray of shape (m,), float32
        c, added to the encoded rows.
    decoder : ndarray of shape (m, d), float32
        Features, of unit length.
    center : ndarray of shape (d,), float32
        b.
    k : int
        Features of a row; of top_afa not used.
    threshold : float
        What a feature must exceed; of batchtopk.
    """

    activation: str
    encoder: Floats
    bias: Floats
    decoder: Floats
    center: Floats
    k: int
    threshold: float = 0.0

    def codes(self, rows: Floats) -> Floats:
        """Return how much of each feature is in each row.

        Parameters
        ----------
        rows : ndarray of shape (N, d)
            Vectors.

        Returns
        -------
        ndarray of shape (N, m), float32
        """
        import torch

        codes = np.empty((len(rows), len(self.decoder)), np.float32)
        for start in range(0, len(rows), PIECE):
            away = torch.from_numpy(np.asarray(rows[start : start + PIECE] - self.center, np.float32))
            encoded = away @ torch.from_numpy(self.encoder) + torch.from_numpy(self.bias)
            kept = _kept(self.activation, encoded, away, self.k, self.threshold)
            codes[start : start + PIECE] = kept.numpy()
        return codes

    def decoded(self, codes: Floats) -> Floats:
        """Return the vectors that codes stand for.

        Parameters
        ----------
        codes : ndarray of shape (N, m)
            As `codes` returns them.

        Returns
        -------
        ndarray of shape (N, d), float32
        """
        return np.asarray(codes @ self.decoder + self.center, np.float32)


def train_autoencoder(rows: Floats, activation: str, *, features: int, k: int, epochs: int, seed: int) -> Autoencoder:
    """Train an autoencoder by Adam on squared error; the same seed gives the same one.

    Parameters
    ----------
    rows : ndarray of shape (N, d)
        Vectors, which are scaled to a mean squared length of d while it learns.
    activation : str
        One of `ACTIVATIONS`.
    features : int
        Their number m.
    k : int
        Features of a row.
    epochs : int
        How often all rows are seen.
    seed : int
        Of the first features and of the order of the rows.

    Returns
    -------
    Autoencoder
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = np.float32(np.sqrt(rows.shape[1] / np.mean(((rows - mean) ** 2).sum(axis=1))))
    data = torch.from_numpy(np.asarray((rows - mean) * scale, np.float32))
    first = torch.randint(len(data), (features,), generator=generator)
    decoder = torch.nn.functional.normalize(
        data[first] + 1e-3 * torch.randn(features, data.shape[1], generator=generator)
    )
    some = data[torch.randperm(len(data), generator=generator)[:BATCH]]
    made = _kept(activation, some @ decoder.T, some, k) @ decoder
    encoder = decoder.T * ((made * some).sum() / (made**2).sum())  # features that overlap would add up to too much
    bias, center = torch.zeros(features), torch.zeros(data.shape[1])
    weights = [each.requires_grad_() for each in (encoder, bias, decoder, center)]
    optimizer = torch.optim.Adam(weights, lr=LEARNING_RATE, fused=True)
    steps, threshold = epochs * -(-len(data) // BATCH), 0.0
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(data), generator=generator).split(BATCH):
            away = data[batch] - center
            codes = _kept(activation, away.detach() @ encoder + bias, away, k)
            loss = ((_decoded(codes, decoder) - away) ** 2).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                decoder /= decoder.norm(dim=1, keepdim=True).clamp_min(1e-12)
                if activation == "batchtopk" and (active := codes[codes > 0]).numel():
                    least = float(active.min())
                    threshold = THRESHOLD_MEMORY * threshold + (1 - THRESHOLD_MEMORY) * least if threshold else least
    learned = [each.detach().numpy() for each in weights]
    bias_, center_ = learned[1] / scale, mean + learned[3] / scale
    return Autoencoder(activation, learned[0], bias_, learned[2], center_, k, threshold / float(scale))


def _decoded(codes: "Tensor", decoder: "Tensor") -> "Tensor":
    """Return codes @ decoder, by the rows of the decoder that they name where these are few."""
    import torch

    rows, columns = codes.detach().nonzero(as_tuple=True)
    if len(rows) > DENSE * codes.numel():
        return codes @ decoder
    starts = torch.searchsorted(rows, torch.arange(len(codes)))
    return torch.nn.functional.embedding_bag(
        columns, decoder, starts, mode="sum", per_sample_weights=codes[rows, columns]
    )


def _kept(activation: str, encoded: "Tensor", away: "Tensor", k: int, threshold: float = 0.0) -> "Tensor":
    """Return the codes (N, m) that the activation leaves; batchtopk without a threshold ranks those of all rows."""
    import torch

    if activation == "abstopk":
        largest = encoded.detach().abs().topk(k, dim=1, sorted=False).indices
        return torch.zeros_like(encoded).scatter(1, largest, encoded.gather(1, largest))
    positive = encoded.relu()
    if activation == "batchtopk":
        if not threshold:
            count = min(k * len(encoded), positive.numel())
            threshold = float(positive.detach().flatten().kthvalue(positive.numel() - count + 1).values)
            return positive * (positive.detach() >= max(threshold, 1e-12))
        return positive * (positive.detach() > threshold)
    if activation == "top_afa":
        ordered, order = positive.detach().sort(dim=1, descending=True)
        reached = (ordered**2).cumsum(1).sqrt()
        counts = (reached - away.detach().norm(dim=1, keepdim=True)).abs().argmin(1, keepdim=True) + 1
        chosen = torch.arange(positive.shape[1]) < counts
        return positive * torch.zeros_like(chosen).scatter(1, order, chosen)
    largest = positive.detach().topk(k, dim=1, sorted=False).indices
    return torch.zeros_like(positive).scatter(1, largest, positive.gather(1, largest))
