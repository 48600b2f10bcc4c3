"""The committee of small networks: what it starts as, what it can learn, and when it keeps still."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from vocabsem.errors import TrainingFailed
from vocabsem.methods import committee as module
from vocabsem.methods.committee import committee_logits, train_committee


def corners(n=2000, d=6, seed=0):
    """Class = whether the first two coordinates have the same sign: no linear reader does better than chance."""
    z = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return z, (z[:, 0] * z[:, 1] > 0).astype(np.int64)


def nll(logits, labels):
    return -log_softmax(np.asarray(logits, np.float64), axis=1)[np.arange(len(labels)), labels].mean()


def test_half_of_the_mean_proposal_by_definition():
    z, labels = corners()
    found = train_committee(z, np.zeros((2000, 2), np.float32), labels, members=3, seed=0)
    proposals = []
    for down, shift, up in zip(found["down"], found["shift"], found["up"], strict=True):
        hidden = torch.nn.functional.gelu(torch.from_numpy(z.astype(np.float64) @ down + shift)).numpy()
        proposals.append(hidden @ up)
    assert np.allclose(committee_logits(found, z), np.mean(proposals, axis=0) / 2, atol=1e-5)


def test_learns_what_a_linear_reader_cannot(monkeypatch):
    monkeypatch.setattr(module, "EPOCHS", 60)
    z, labels = corners(4000)
    found = train_committee(z[:3000], np.zeros((3000, 2), np.float32), labels[:3000], members=4, seed=0)
    predicted = committee_logits(found, z[3000:]).argmax(1)
    assert (predicted == labels[3000:]).mean() > 0.85


def test_ten_epochs_help_on_unseen_rows():
    z, labels = corners(4000)
    zeros = np.zeros((4000, 2), np.float32)
    found = train_committee(z[:3000], zeros[:3000], labels[:3000], members=4, seed=0)
    assert nll(committee_logits(found, z[3000:]), labels[3000:]) < np.log(2) - 0.005


def test_nothing_is_added_to_logits_that_explain_the_labels():
    z, labels = corners()
    sure = (20 * np.eye(2)[labels]).astype(np.float32)
    found = train_committee(z, sure, labels, members=2, seed=0)
    unsure = train_committee(z, np.zeros_like(sure), labels, members=2, seed=0)
    moved, still = (np.abs(committee_logits(each, z)).mean() for each in (unsure, found))
    assert still < moved


@pytest.mark.parametrize("rows", [2, 12])
def test_a_handful_of_labels_moves_nothing(rows):
    z, labels = corners(rows)
    found = train_committee(z, np.zeros((rows, 2), np.float32), labels, members=4, seed=0)
    assert (committee_logits(found, z) == 0).all()


def test_no_members_no_logits():
    z, labels = corners(300)
    found = train_committee(z, np.zeros((300, 2), np.float32), labels, members=0, seed=0)
    assert np.array_equal(committee_logits(found, z), np.zeros((300, 2)))


def test_members_differ_and_the_seed_decides():
    z, labels = corners(300)
    draw = lambda seed: train_committee(z, np.zeros((300, 2), np.float32), labels, members=2, seed=seed)  # noqa: E731
    first, again, other = draw(1), draw(1), draw(2)
    for name in first:
        assert first[name].tobytes() == again[name].tobytes()
        assert not np.array_equal(first[name], other[name])
        assert not np.array_equal(first[name][0], first[name][1])


def test_one_member_is_an_ordinary_training_loop():
    z, labels = corners(300)
    offset = np.random.default_rng(1).standard_normal((300, 2)).astype(np.float32)
    found = train_committee(z, offset, labels, members=1, seed=5)
    generator = torch.Generator().manual_seed(5)
    net = torch.nn.Sequential(torch.nn.Linear(6, 64), torch.nn.GELU(), torch.nn.Linear(64, 2, bias=False))
    with torch.no_grad():
        net[0].weight.copy_((torch.randn(1, 6, 64, generator=generator) / 6**0.5)[0].T)
        net[0].bias.zero_()
        net[2].weight.zero_()
    steps = round(10 * 300 / 256)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        rows = torch.randint(300, (1, 256), generator=generator)[0]
        logits = torch.from_numpy(offset)[rows] + net(torch.from_numpy(z)[rows])
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)[rows]).backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        expected = net(torch.from_numpy(z)).numpy() / 2
    assert np.abs(committee_logits(found, z) - expected).mean() < 1e-4  # Adam turns rounding into steps, as above


def test_steps_are_bounded(monkeypatch):
    z, labels = corners(2000)
    taken = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self, *a: (taken.append(1), step(self, *a))[1])
    monkeypatch.setattr(module, "MOST_STEPS", 7)
    train_committee(z, np.zeros((2000, 2), np.float32), labels, members=1, seed=0)
    assert len(taken) == 7


def test_divergence_is_an_error():
    z, labels = corners(300)
    z[::2] = np.inf
    with pytest.raises(TrainingFailed, match="committee of 2 networks: the loss became nan"):
        train_committee(z, np.zeros((300, 2), np.float32), labels, members=2, seed=0)
