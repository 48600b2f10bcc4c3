"""`vocabsem list`: everything that can be named."""

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
def test_all_are_listed_one_a_line_where_the_line_is_as_long_as_needed(kind, capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    app(["list", kind], standalone_mode=False)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    app(["list", kind, "--json"], standalone_mode=False)
    rows = json.loads(capsys.readouterr().out)
    assert [next(iter(row.values())) for row in rows] == NAMES[kind]()
    assert all(all(value not in ("", None) for value in row.values()) for row in rows)
    for line, row in zip(lines[2:], rows, strict=True):
        name, *_, description = row.values()
        assert line.split()[0] == name
        assert line.rstrip().endswith(description.split(". ")[0])


@pytest.mark.parametrize("kind", NAMES)
def test_a_narrow_terminal_breaks_lines_and_loses_no_word(kind, capsys, monkeypatch):
    words = []
    for columns in ("80", "10000"):
        monkeypatch.setenv("COLUMNS", columns)
        app(["list", kind], standalone_mode=False)
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= int(columns)
        words.append(sorted(" ".join(lines[2:]).split()))
    assert words[0] == words[1]


def test_another_kind_is_refused():
    with pytest.raises(BadInput, match="no list of 'model': did you mean 'models'"):
        app(["list", "model"], standalone_mode=False)
