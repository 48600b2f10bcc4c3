"""A file of questions to a board on the real model: drafted, scored in three ways, judged by accuracy."""

import json

import pytest

from tests.conftest import vocabsem

QUESTIONS = [
    ("What is the capital of France?", ["Paris", "Rome", "Berlin", "Madrid"]),
    ("What is the capital of Italy?", ["Rome", "London", "Paris", "Vienna"]),
    ("What do cows give?", ["milk", "coal", "steel", "paper"]),
    ("Which animal barks?", ["a dog", "a cat", "a horse", "a fish"]),
    ("What is frozen water called?", ["ice", "fire", "sand", "wood"]),
    ("Which season is the coldest?", ["winter", "summer", "spring", "autumn"]),
    ("What color is fresh snow?", ["white", "black", "green", "red"]),
    ("What do people read?", ["books", "spoons", "shoes", "bricks"]),
    ("What shines at night?", ["the moon", "the sea", "the bread", "the chair"]),
    ("Where do fish live?", ["in water", "in trees", "in ovens", "in books"]),
]
pytestmark = pytest.mark.slow


def test_questions_from_a_file_are_drafted_and_answered(make_home, tmp_path):
    home, file, card = make_home(), tmp_path / "quiz.jsonl", tmp_path / "quiz.yaml"
    rows = []
    for number, (question, options) in enumerate(QUESTIONS):
        turned = options[number % 4 :] + options[: number % 4]
        rows.append({"query": question, "choices": turned, "gold": turned.index(options[0])})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = ("--text", "query", "--label", "gold", "--choices", "choices", "--output", card)
    done = vocabsem(home, "init-dataset", file, *given)
    assert done.returncode == 0, done.stderr
    assert "10 questions of 4 options; labels are places from 0" in done.stdout
    methods = (
        "[{method: zero_shot, scoring: exact}, {method: pmi, scoring: exact}, {method: zero_shot, scoring: letters}]"
    )
    settings = [f"datasets=[{card}]", "shots=[0]", "champion=false", "temperature=false", f"methods={methods}"]
    done = vocabsem(home, "run", "quickstart", *(word for each in settings for word in ("--set", each)), timeout=900)
    assert done.returncode == 0, done.stderr
    assert "quiz, smollm2-135m-instruct: accuracy" in done.stdout
    board = json.loads(vocabsem(home, "leaderboard", "--format", "json").stdout)
    accuracy = {row["method"]: row["accuracy"] for row in board}
    assert accuracy["zero_shot+exact"] > 0.6, "easy questions; .25 is chance"
    assert set(accuracy) == {"zero_shot+exact", "pmi+exact", "zero_shot+letters"}
    bad = vocabsem(home, "init-dataset", file, "--text", "query", "--label", "query", "--choices", "gold", "--force")
    assert bad.returncode == 2
    assert "no list of options" in bad.stderr
