"""From a file to a leaderboard on the real model: the card that `init-dataset` writes is run as it is."""

import csv
import shutil
from itertools import product

import pytest
import yaml

from flows.anchors import anchors
from flows.calibrate import calibrate
from flows.cli.command_line import app
from flows.evaluate import evaluate
from flows.extract import extract
from vocabsem.cards.folders import CARDS
from vocabsem.cards.loader import load_card
from vocabsem.errors import CardError, DataError
from warehouse.catalog.named_queries import run_named_query
from warehouse.home import Home

THINGS = ("film", "book", "hotel", "meal", "trip", "show", "phone", "game")
EXPECTED = {
    "1": ("terrible and dull", "awful, a waste of money", "bad in every way"),
    "5": ("wonderful and moving", "excellent, worth every penny", "great in every way"),
}


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    path = tmp_path_factory.mktemp("reviews") / "My reviews.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerow(("review", "stars"))
        for stars, each in EXPECTED.items():
            csv.writer(file).writerows((f"the {thing} was {how}", stars) for thing, how in product(THINGS, each))
    return path


def init(reviews, output, *more, text="review"):
    words = ["init-dataset", reviews, "--text", text, "--label", "stars", "--output", output, *more]
    app(list(map(str, words)), standalone_mode=False)


@pytest.mark.slow
def test_a_file_becomes_a_card_and_the_card_a_leaderboard(reviews, make_home, tmp_path, monkeypatch, capsys, recorded):
    home, output = Home(make_home()), tmp_path / "cards" / "mine.yaml"
    monkeypatch.setenv("VOCABSEM_HOME", str(home.root))
    init(reviews, output)
    printed = capsys.readouterr().out
    card = load_card("datasets", str(output))
    assert (card.name, card.label_names) == ("my_reviews", ["1", "5"])
    assert len(set(card.label_words)) == 2
    assert all(word.isalpha() for word in card.label_words)
    assert printed.count('review: "the ') == 3
    assert f"stars: {card.label_words[0]}\n" in printed
    assert f"written: {output}\n" in printed
    assert f"vocabsem run quickstart --name my_reviews --set 'datasets=[{output}]'" in printed
    assert [file.name for file in output.parent.iterdir()] == ["mine.yaml"]
    assert output.read_text().startswith(f"# yaml-language-server: $schema={CARDS / 'schemas' / 'datasets.json'}\n")

    experiment = {
        "name": "own",
        "models": ["smollm2-135m-instruct"],
        "datasets": [str(output)],
        "methods": ["zero_shot", "vocabulary_calibrator"],
        "shots": [0, 4],
        "max_tokens": 32,
    }
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(experiment))
    with recorded(home):
        for flow in (extract, anchors, calibrate, evaluate):
            flow(experiment=str(path), home=str(home.root))
    assert max(row["accuracy"] for row in run_named_query(home, "leaderboard", {}).to_pylist()) >= 0.8, (
        "plain sentences"
    )
    assert run_named_query(home, "failed-checks", {}).to_pylist() == []


@pytest.mark.parametrize(
    ("given", "error", "printed"),
    [
        ({}, CardError, r"mine\.yaml exists: .*--force"),
        ({"more": ["--force"], "text": "reviews"}, DataError, "did you mean 'review'"),
        ({"more": ["--force", "--name", "my/reviews"]}, CardError, "--name 'my/reviews': use only letters"),
        ({"more": ["--force", "--model", "smollm2-135m-instrukt"]}, CardError, "mean 'smollm2-135m-instruct'"),
    ],
    ids=["there already", "column", "name", "model"],
)
def test_what_is_wrong_leaves_the_card_that_is_there(reviews, tmp_path, monkeypatch, given, error, printed):
    monkeypatch.setenv("VOCABSEM_HOME", str(tmp_path / "home"))
    output = tmp_path / "mine.yaml"
    output.write_text("as it was")
    with pytest.raises(error, match=printed) as refused:
        init(reviews, output, *given.get("more", ()), text=given.get("text", "review"))
    assert refused.value.exit_code == 2
    assert output.read_text() == "as it was"
    assert not list(tmp_path.glob("*.tmp-*"))


@pytest.mark.slow
def test_the_next_command_names_the_model_that_proposed_and_a_disk_that_refuses_is_explained(
    reviews, make_home, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("VOCABSEM_HOME", str(make_home()))
    own = shutil.copy(CARDS / "models" / "smollm2-135m-instruct.yaml", tmp_path / "own.yaml")
    init(reviews, tmp_path / "mine.yaml", "--model", own)
    assert f" --set 'models=[{own}]'\n" in capsys.readouterr().out
    with pytest.raises(CardError, match=r"cannot write /proc/mine\.yaml: .* choose another place"):
        init(reviews, "/proc/mine.yaml")


def test_a_card_goes_by_the_name_of_a_card(reviews, tmp_path):
    with pytest.raises(CardError, match=r"the name of a card ends in \.yaml"):
        init(reviews, tmp_path / "mine.txt")
