"""A model without a card: `init-model` writes one, and experiments take the model itself."""

import pytest

from flows.cli.command_line import app
from flows.planning.experiment import load_experiment
from tests.vocabsem import architectures
from vocabsem.cards.folders import CARDS
from vocabsem.cards.loader import load_card
from vocabsem.errors import CardError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABSEM_HOME", str(tmp_path / "home"))
    architectures.save("llama", tmp_path / "Mine 1.5")
    return tmp_path / "Mine 1.5"


def init_model(*words):
    app(["init-model", *map(str, words)], standalone_mode=False)


def test_a_folder_becomes_a_card(folder, tmp_path, capsys):
    output = tmp_path / "cards" / "mine.yaml"
    init_model(folder, "--output", output)
    printed = capsys.readouterr().out
    card = load_card("models", str(output))
    assert (card.name, card.source, card.layers) == ("mine-1.5", f"file:{folder}", 3)
    assert output.read_text().startswith(f"# yaml-language-server: $schema={CARDS / 'schemas' / 'models.json'}\n")
    assert "prepend_bos: false: the tokenizer does not add it, and plain prose has a loss of" in printed
    assert f"next:    vocabsem run quickstart --name mine-1_5 --set 'models=[{output}]'" in printed
    with pytest.raises(CardError, match="exists: choose another --name or --output, or overwrite it with --force"):
        init_model(folder, "--output", output)
    init_model(folder, "--output", output, "--force", "--name", "other")
    assert load_card("models", str(output)).name == "other"


def test_a_chat_template_is_named_in_the_card(folder, tmp_path):
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    init_model(folder, "--output", tmp_path / "mine.yaml")
    assert load_card("models", str(tmp_path / "mine.yaml")).chat is False
    assert "# The tokenizer has a chat template" in (tmp_path / "mine.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gpt2"], "'gpt2' names a card: give hf:org/name, the path of a folder, or a .gguf file"),
        (["./nowhere"], r"there is no model '\./nowhere'"),
        (["./nowhere", "--name", "a b"], "--name 'a b': use only letters"),
        (["./nowhere", "--output", "mine.txt"], r"the name of a card ends in \.yaml"),
    ],
)
def test_what_is_no_model_is_refused(words, message, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CardError, match=message):
        init_model(*words)
    assert not list(tmp_path.rglob("*.yaml"))


def test_an_experiment_takes_the_model_itself(folder, tmp_path):
    experiment = load_experiment("quickstart", {"models": [str(folder), "smollm2-135m"]})
    mine, shipped = experiment.model_cards(tmp_path / "home" / "cache")
    assert (mine.name, mine.source) == ("mine-1.5", f"file:{folder}")
    assert shipped == load_card("models", "smollm2-135m")
