"""Ratings from a file to a board on the real model: their order is proposed, learned, measured and shown."""

import csv
import json
from itertools import product

import numpy as np
import pytest
import yaml
from sklearn.metrics import cohen_kappa_score, f1_score

from tests.conftest import vocabsem

pytestmark = pytest.mark.medium

THINGS = ("film", "book", "hotel", "meal", "trip", "show", "phone", "game", "song", "bar")
STARS = {
    1: ("terrible and dull", "awful, a waste of money"),
    2: ("rather bad", "disappointing, if not hopeless"),
    3: ("okay, neither good nor bad", "average in every way"),
    4: ("good and pleasant", "quite enjoyable"),
    5: ("great, the best of all", "excellent, worth every penny"),
}
WORDS = ["terrible", "bad", "okay", "good", "great"]
METHODS = ["zero_shot", "ridge", "ordinal_ridge", {"method": "unseen_classes", "params": {"unseen": 1}}]


@pytest.fixture(scope="module")
def home(make_home, tmp_path_factory):
    """A home in which a card of ratings, as `init-dataset` writes it but for the words, was run."""
    home, folder = make_home(), tmp_path_factory.mktemp("ratings")
    with (folder / "ratings.csv").open("w", newline="") as file:
        rows = [
            (f"the {thing} was {how}", stars) for stars, each in STARS.items() for thing, how in product(THINGS, each)
        ]
        csv.writer(file).writerows([("review", "stars"), *rows])
    path = folder / "ratings.yaml"
    done = vocabsem(
        home, "init-dataset", folder / "ratings.csv", "--text", "review", "--label", "stars", "--output", path
    )
    assert done.returncode == 0, done.stderr
    assert "label_kind: ordinal, as these numbers look like a scale" in done.stdout
    assert "methods=[zero_shot,ordinal_ridge," in done.stdout
    card = yaml.safe_load(path.read_text())
    card["labels"] = [label | {"word": word} for label, word in zip(card["labels"], WORDS, strict=True)]
    path.write_text(yaml.safe_dump(card))
    experiment = {
        "name": "ratings",
        "models": ["smollm2-135m-instruct"],
        "datasets": [str(path)],
        "limits": {"train": 70, "validation": 20, "test": 20},
        "max_tokens": 24,
        "shots": [0, 4],
        "methods": METHODS,
    }
    (folder / "experiment.yaml").write_text(yaml.safe_dump(experiment))
    done = vocabsem(home, "run", folder / "experiment.yaml", timeout=900)
    assert done.returncode == 0, done.stderr
    assert "QWK" in done.stdout
    return home


def test_the_order_is_learned_from_four_ratings_a_class(home):
    rows = json.loads(vocabsem(home, "leaderboard", "--metric", "qwk", "--format", "json").stdout)
    kappa = {row["method"]: row["qwk"] for row in rows}
    assert kappa["ordinal_ridge"] > 0.7, "plain sentences; 0 is chance"
    assert kappa["ordinal_ridge"] > kappa["zero_shot"]
    assert all(row["qwk_low"] <= row["qwk"] <= row["qwk_high"] for row in rows)


def test_the_board_has_the_kappa_of_the_stored_predictions(home):
    query = "select label, predicted from predictions where split = 'test' and method = 'ordinal_ridge'"
    rows = json.loads(vocabsem(home, "sql", "--format", "json", query).stdout)
    labels, predicted = (np.array([row[name] for row in rows]) for name in ("label", "predicted"))
    rows = json.loads(vocabsem(home, "leaderboard", "--method", "ordinal_ridge", "--format", "json").stdout)
    assert rows[0]["qwk"] == pytest.approx(cohen_kappa_score(labels, predicted, weights="quadratic"))
    assert rows[0]["mae"] == pytest.approx(np.abs(labels - predicted).mean())


def test_a_class_without_an_example_is_found_by_its_word(home):
    query = (
        "select method, label, predicted from predictions where split = 'test' and shots = '4'"
        " and method like 'unseen_classes%'"
    )
    rows = json.loads(vocabsem(home, "sql", "--format", "json", query).stdout)
    recalled = [row["predicted"] == 4 for row in rows if row["label"] == 4]
    wrong = [row["predicted"] == 4 for row in rows if row["label"] < 3]
    assert np.mean(recalled) > np.mean(wrong)


WORKS = {
    "audio": "plays songs and podcasts",
    "image": "edits photos and pictures",
    "mail": "reads messages and inboxes",
}
OF_SEVERAL = ["multi_ridge", {"method": "multi_ridge", "params": {"targets": "random"}}, "tfidf_one_vs_rest", "ridge"]


@pytest.fixture(scope="module")
def several(make_home, tmp_path_factory):
    """A home in which a card of programs with any number of labels, as `init-dataset` writes it, was run."""
    home, folder = make_home(), tmp_path_factory.mktemp("works")
    sets = [[name for name, there in zip(WORKS, bits, strict=True) if there] for bits in product((0, 1), repeat=3)]
    rows = [
        (f"{thing} tool {i}: it " + (" and ".join(WORKS[name] for name in names) or "counts days"), ";".join(names))
        for (i, names), thing in product(enumerate(sets), THINGS)
    ]
    with (folder / "works.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("about", "works_with"), *rows])
    path = folder / "works.yaml"
    columns = ("--text", "about", "--label", "works_with", "--label-separator", ";", "--output", path)
    done = vocabsem(home, "init-dataset", folder / "works.csv", *columns, timeout=900)
    assert done.returncode == 0, done.stderr
    assert "methods=[multi_ridge" in done.stdout
    card = yaml.safe_load(path.read_text())
    assert (card["label_kind"], card["separator"]) == ("multi", ";")
    assert [label["name"] for label in card["labels"]] == list(WORKS)
    experiment = {
        "name": "works",
        "models": ["smollm2-135m-instruct"],
        "datasets": [str(path), "rotten_tomatoes"],
        "limits": {"train": 48, "validation": 8, "test": 24},
        "max_tokens": 40,
        "shots": [0, 4],
        "methods": OF_SEVERAL,
    }
    (folder / "experiment.yaml").write_text(yaml.safe_dump(experiment))
    done = vocabsem(home, "run", folder / "experiment.yaml", timeout=900)
    assert done.returncode == 0, done.stderr
    assert "micro-F1" in done.stdout
    assert "ridge left out: it serves nominal and ordinal labels, and these are multi" in done.stdout + done.stderr
    return home


@pytest.mark.slow
def test_labels_are_predicted_by_their_words_and_better_from_four_texts_of_each(several):
    rows = json.loads(vocabsem(several, "leaderboard", "--metric", "micro_f1", "--format", "json").stdout)
    scores = {(row["method"], row["shots"]): row["micro_f1"] for row in rows if row["dataset"] == "works"}
    assert scores["multi_ridge", "4"] > 0.8, "plain sentences"
    assert scores["multi_ridge", "4"] > scores["multi_ridge", "0"] > scores["multi_ridge+random", "0"]


@pytest.mark.slow
def test_the_board_has_the_f1_of_the_stored_sets(several):
    query = "select labels, predicted_labels from predictions where split = 'test' and method = 'multi_ridge'"
    query += " and shots = '0'"
    rows = json.loads(vocabsem(several, "sql", "--format", "json", query).stdout)
    labels, predicted = (np.array([row[name] for row in rows]) for name in ("labels", "predicted_labels"))
    board = json.loads(vocabsem(several, "leaderboard", "--method", "multi_ridge", "--format", "json").stdout)
    (row,) = (row for row in board if row["shots"] == "0")
    assert row["micro_f1"] == pytest.approx(f1_score(labels, predicted, average="micro"))
    assert row["accuracy"] == pytest.approx((labels == predicted).all(axis=1).mean())
    counted = "select count(*) as n from examples where dataset = 'works' and label_name = ''"
    bad = vocabsem(several, "sql", "--format", "json", counted)
    assert json.loads(bad.stdout)[0]["n"] > 0, "some have no label"


def test_numbers_follow_two_words_without_a_label_and_better_with_some(make_home, tmp_path):
    home, file, card = make_home(), tmp_path / "scores.csv", tmp_path / "scores.yaml"
    rows = [
        (f"the {thing} was {how}", stars + len(thing) / 10)
        for stars, each in STARS.items()
        for thing, how in product(THINGS[:6], each)
    ]
    with file.open("w", newline="") as handle:
        csv.writer(handle).writerows([("review", "score"), *rows])
    given = ("--text", "review", "--label", "score", "--output", card)
    done = vocabsem(home, "init-dataset", file, *given, "--scale", "terrible, great")
    assert done.returncode == 0, done.stderr
    assert "60 rows; 'terrible' stands for 1.4, 'great' for 5.4" in done.stdout
    settings = ["models=[smollm2-135m-instruct]", f"datasets=[{card}]", "shots=[0,all]", "champion=false"]
    settings += ["methods=[ridge_regression]", "temperature=false", "max_tokens=24"]
    done = vocabsem(home, "run", "quickstart", *(word for each in settings for word in ("--set", each)), timeout=900)
    assert done.returncode == 0, done.stderr
    board = json.loads(vocabsem(home, "leaderboard", "--format", "json").stdout)
    spearman = {row["shots"]: row["spearman"] for row in board}
    assert spearman["0"] > 0.3, "from two words alone; 0 is chance"
    assert spearman["all"] > 0.7
    for bad in ("terrible", "terrible,", "a,b,c"):
        done = vocabsem(home, "init-dataset", file, *given, "--scale", bad, "--force")
        assert (done.returncode, "give two words with a comma between" in done.stderr) == (2, True)
    done = vocabsem(home, "init-dataset", file, *given, "--scale", "a,b", "--label-separator", ";", "--force")
    assert done.returncode == 2
    assert "--scale and --label-separator are of different kinds of labels: give one of them" in done.stderr
