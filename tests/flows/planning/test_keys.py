"""The keys of every shipped card: a change of the code that changes no content changes no key."""

import hashlib
import json
from pathlib import Path

import pytest

from flows.planning.experiment import load_experiment
from flows.planning.plan import make_plan
from tests.conftest import ROOT
from warehouse.home import Home

KEYS = json.loads(Path(__file__).with_name("keys.json").read_text())
CARDS = sorted((ROOT / "data" / "experiments").glob("*.yaml"))


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(autouse=True)
def fixed_inputs(monkeypatch):
    """What keys depend on besides cards and code: bytes of sources (known here by their names) and the machine."""

    def hashes(card, home):
        return {split: card.sha256.get(split) or digest(source) for split, source in card.files.items()}

    monkeypatch.setattr("flows.planning.plan.source_hashes", hashes)
    monkeypatch.setattr("flows.planning.plan.model_digest", lambda card, cache: digest(card.source))
    monkeypatch.setattr("flows.planning.plan.resolve_dtype", lambda dtype: "bfloat16" if dtype == "auto" else dtype)


def test_every_card_has_its_keys_written_down():
    assert sorted(KEYS) == [card.stem for card in CARDS]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.stem)
def test_no_key_has_changed(card, tmp_path):
    result = {}
    for step in make_plan(load_experiment(str(card)), Home(tmp_path)).steps():
        result.setdefault(step.kind, []).append(step.key)
    assert {kind: [len(keys), digest("\n".join(keys))] for kind, keys in result.items()} == KEYS[card.stem]
