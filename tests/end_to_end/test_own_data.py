"""From a file to a leaderboard on the real model: the card that `init-dataset` writes is run as it is."""

import csv
import json
from itertools import product

import yaml

from tests.flows.command import command
from tests.tasks.worlds import server
from vocabsem.cards import load_card
from warehouse.home import Home

THINGS = ("film", "book", "hotel", "meal", "trip", "show", "phone", "game")
SAID = {"1": ("terrible and dull", "awful, a waste of money", "bad in every way"),
        "5": ("wonderful and moving", "excellent, worth every penny", "great in every way")}  # fmt: skip


def test_a_file_becomes_a_card_and_the_card_a_leaderboard(make_home, tmp_path):
    home, path, output = Home(make_home()), tmp_path / "My reviews.csv", tmp_path / "cards" / "mine.yaml"
    rows = [(f"the {thing} was {how}", stars) for stars, each in SAID.items() for thing, how in product(THINGS, each)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("review", "stars"), *rows])
    words = ("init-dataset", path, "--text", "review", "--label", "stars", "--output", output)

    done = command(home, *words)
    assert done.returncode == 0, done.stderr
    card = load_card("datasets", str(output))
    assert (card.name, card.label_names) == ("my_reviews", ["1", "5"])
    first, second = card.label_words
    assert first != second
    assert first.isalpha()
    assert second.isalpha()
    assert done.stdout.count('review: "the ') == 3
    assert f"stars: {first}\n" in done.stdout
    assert f"written: {output}" in done.stdout
    assert f"next:    vocabsem run quickstart --set name=my_reviews --set 'datasets=[{output}]'" in done.stdout

    before = output.read_text()
    again = command(home, *words)
    assert again.returncode == 2
    assert f"{output} is there already" in again.stderr
    assert "--force" in again.stderr
    wrong = command(home, *words[:3], "reviews", *words[4:], "--force")
    assert wrong.returncode == 2
    assert "did you mean 'review'" in wrong.stderr
    assert output.read_text() == before
    assert [file.name for file in output.parent.iterdir()] == ["mine.yaml"]

    experiment = {
        "name": "own",
        "models": ["smollm2-135m-instruct"],
        "datasets": [str(output)],
        "methods": ["zero_shot", "vocabulary_calibrator"],
        "shots": [0, 4],
        "max_tokens": 32,
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(experiment))
    ran = command(home, "run", tmp_path / "own.yaml", api=server())
    assert ran.returncode == 0, ran.stderr
    scores = json.loads(command(home, "ask", "leaderboard", "--format", "json").stdout)
    best = max(row["accuracy"] for row in scores)
    assert best >= 0.8, "sentences this plain are told apart"
    assert json.loads(command(home, "ask", "failed-checks", "--format", "json").stdout) == []
