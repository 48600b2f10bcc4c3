"""Options of every command: version, help, quiet and verbose, anywhere on the line."""

import os

import pytest

from flows.cli.command_line import _take_flag, run
from flows.execution.activity import QUIET
from flows.execution.terminal import error_console
from vocabsem import __version__
from vocabsem.runtime.third_party import verbose


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setenv("VOCABSEM_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("words", [["--version"], ["-v", "--version"]])
def test_the_version(words, capsys):
    assert run(words) == 0
    assert capsys.readouterr().out == f"vocabsem {__version__}\n"


@pytest.mark.parametrize("words", [["-h"], ["plan", "-h"], ["warehouse", "verify", "-h"]])
def test_help_in_short(words, capsys):
    assert run(words) == 0
    assert "Usage:" in capsys.readouterr().out


def test_options_of_every_command_are_listed(capsys):
    assert run(["--help"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in ("--home", "--cards", "--verbose", "--quiet", "--debug", "--version"))


@pytest.mark.parametrize("words", [["-q", "list", "queries"], ["list", "queries", "--quiet"]])
def test_quiet_prints_no_notes(words, capsys):
    assert run(words) == 0
    assert os.environ[QUIET] == "1"
    error_console().print("a note")
    assert capsys.readouterr().err == ""


def test_verbose_shows_what_is_logged(monkeypatch):
    monkeypatch.delenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", raising=False)
    assert run(["list", "queries", "-v"]) == 0
    assert "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL" not in os.environ
    assert verbose(), "libraries too"
    assert run(["list", "queries"]) == 0
    assert os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "CRITICAL"


def test_behind_two_dashes_a_word_is_a_text():
    words = ["predict", "-v", "--", "-v"]
    assert _take_flag(words, "--verbose", "-v")
    assert words == ["predict", "--", "-v"]
