"""`vocabsem list`: everything that can be named, one a line."""

import json

import pytest

from flows.cli.command_line import app
from vocabsem.cards.folders import list_cards
from vocabsem.errors import BadInput
from vocabsem.methods.registry import method_infos
from warehouse.catalog.named_queries import named_queries

NAMES = {
    "models": lambda: list_cards("models"),
    "datasets": lambda: list_cards("datasets"),
    "methods": lambda: list(method_infos()),
    "queries": lambda: list(named_queries()),
    "studies": lambda: list_cards("studies"),
    "experiments": lambda: [
        *(
            "ablation",
            "encoders",
            "full_size",
            "label_efficiency",
            "paper",
            "quickstart",
            "rivals",
            "sensitivity",
            "tuned",
        ),
    ],
}


@pytest.mark.parametrize("kind", NAMES)
def test_all_are_listed_one_a_line_within_the_terminal(kind, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    app(["list", kind], standalone_mode=False)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [line.split()[0] for line in lines[2:]] == NAMES[kind]()
    app(["list", kind, "--json"], standalone_mode=False)
    rows = json.loads(capsys.readouterr().out)
    assert [next(iter(row.values())) for row in rows] == NAMES[kind]()
    assert all(all(value not in ("", None) for value in row.values()) for row in rows)


def test_another_kind_is_refused():
    with pytest.raises(BadInput, match="no list of 'model': did you mean 'models'"):
        app(["list", "model"], standalone_mode=False)
