"""A small recorded run as an experiment leaves it, its predictions drawn: no model is loaded, nothing is fitted."""

import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import yaml

from flows.planning.experiment import load_experiment
from flows.planning.plan import make_plan
from tasks.comparisons import compare
from tasks.examples import build_examples
from tasks.metrics import score
from tasks.record import record_run
from tasks.steps.facts import AnchorsFacts, DemonstrationsFacts, NormFacts, SeedFacts, StatesFacts, WordScoresFacts
from tasks.steps.predictions import answer_rows, prediction_rows, publish_predictions
from warehouse.catalog.catalog import rebuild
from warehouse.home import Home
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import vectors

METHODS = ["zero_shot", "centroid", {"method": "linear_probe", "control": True}]
CLASSES = ("neg", "pos", "tale")
ROWS = {"train": 60, "test": 24}
MODEL = {"name": "made-model", "description": "made", "source": "hf:made/model@main", "license": "MIT", "layers": 2}
MODEL |= {"prepend_bos": False, "parameters": 100, "hidden_size": 4, "vocabulary_size": 10}


def rows(split, seed=0):
    words = np.random.default_rng([seed, len(split)]).integers(0, 1000, (ROWS[split], 4))
    texts = [" ".join(map(str, each)) for each in words]
    return [
        {
            "text": t,
            "label": CLASSES[i % 3],
            "options": [f"{t} {c}" for c in "abc"],
            "sets": CLASSES[: i % 4],
            "worth": len(t) + i / 7,
        }
        for i, t in enumerate(texts)
    ]


def write_rows(folder, split, seed=0):
    (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(split, seed)))


def write_cards(folder, datasets=("made",), ordinal=(), choices=(), several=(), numbers=(), **experiment):
    """The cards below the folder. Returns the path of the experiment's."""
    folder.mkdir(exist_ok=True)
    for split in ROWS:
        write_rows(folder, split)
    for name in datasets:
        labels = [{"name": name, "value": name, "word": name} for name in CLASSES]
        card = {"name": name, "description": "made", "license": "CC0-1.0", "format": "jsonl", "labels": labels}
        card |= {"files": {split: f"file:{folder / split}.jsonl" for split in ROWS}, "fields": {"text": "text"}}
        card |= {"label_column": "label", "template": "{text} is", "split": {"validation": 0.2}}
        card |= {"label_kind": "ordinal"} if name in ordinal else {}
        card |= {"label_kind": "choice", "choices": {"columns": "options"}} if name in choices else {}
        card |= {"label_kind": "multi", "label_column": "sets"} if name in several else {}
        if name in numbers:
            ends = [{"name": n, "value": v, "word": n} for n, v in (("low", 10), ("high", 20))]
            card |= {"label_kind": "continuous", "label_column": "worth", "labels": ends}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(card))
    (folder / "model.yaml").write_text(yaml.safe_dump(MODEL))
    card = {"name": "tiny", "description": "a tiny world", "models": [str(folder / "model.yaml")]}
    card |= {"datasets": [str(folder / f"{name}.yaml") for name in datasets], "methods": METHODS, "shots": [0, 4]}
    card |= {"seeds": [0, 1], "dtype": "float32"} | experiment
    (folder / "experiment.yaml").write_text(yaml.safe_dump(card))
    return folder / "experiment.yaml"


def record(folder, datasets=("made",), fitted=None, **settings):
    """Publish all that a run leaves. Returns its plan and its key.

    fitted: takes a planned fit, a seed and the true labels (N,), returns probabilities (N, 3); by default drawn. Of
    several labels a text those are predicted whose probability reaches 0.3; of numbers the first column is what is
    predicted. settings: of `write_cards`.
    """
    card, home = write_cards(folder, datasets, **settings), Home(folder / "home")
    plan = make_plan(load_experiment(str(card)), home, placeholders=True)
    for pair in plan.pairs:
        build_examples.fn(home, pair.dataset, {split: folder / f"{split}.jsonl" for split in ROWS}, pair.examples)
        table = pair.examples.partition(Lake(home)).table().to_pylist()
        if not plan.published(pair.anchors):
            pair.anchors.publish(Lake(home), [], anchors_facts())
        for step in pair.demonstrations.values():
            shown = pa.table({"id": ["train-000000"], "token_ids": [[1, 2, 3]]})
            step.publish(Lake(home), shown, DemonstrationsFacts(per_class=1, tokens=3, context=64))
        for step in pair.states.values():
            ids = [row["id"] for row in table if row["split"] == step.spec.split]
            step.publish(Lake(home), state_table(ids), states_facts(step.spec, len(ids)))
        for step in pair.word_scores.values():
            ids = [row["id"] for row in table if row["split"] == step.spec.split]
            step.publish(Lake(home), state_table(ids), scores_facts(len(ids)))
        for fit in pair.fits:
            _publish(home, fit, table, fitted or random)
        compare.fn(home, pair.dataset.name, pair.compared)
    key = record_run.fn(
        home, plan.experiment.model_dump(mode="json"), plan.run, 0.0, "", "a-run", ["centroid"], plan.left_out
    )
    rebuild(home)
    return plan, key


def random(fit, seed, labels):
    generator = np.random.default_rng([seed, len(fit.name), len(str(fit.shots))])
    return generator.dirichlet(np.ones(3), len(labels)).astype(np.float32)


def _publish(home, fit, table, fitted):
    tables, facts = [], []
    for seed in fit.predictions.spec.seeds:
        for split in ("validation", "test"):
            here = [row for row in table if row["split"] == split]
            (form,) = {"label", "labels", "value"} & here[0].keys()
            labels, ids = np.array([row[form] for row in here]), [row["id"] for row in here]
            answers = fitted(fit, seed, labels)
            if form == "value":
                estimator = SimpleNamespace(predict=lambda p, labels=labels: labels + p[:, 0] - 0.3)
                tables.append(answer_rows(split, seed, ids, labels, estimator, answers))
                continue
            thresholds = np.full(3, 0.3) if labels.ndim == 2 else None
            tables.append(prediction_rows(split, seed, ids, labels, answers, thresholds))
        facts.append(SeedFacts(seed=seed, fit_seconds=0.25 * (seed + 1)))
    publish_predictions(home, fit.predictions, tables, [], b"weights", facts)
    score.fn(home, fit.dataset.name, [(fit.predictions, fit.metrics)])


def anchors_facts():
    return AnchorsFacts(
        condition=2.0, residual=1e-12, rank=4, gauge="raw", solver="cholesky", tokens=10, padding_rows=0,
        softcap=None, scale=1.0, card=MODEL,
    )  # fmt: skip


def states_facts(spec, prompts):
    """Ten milliseconds per prompt; thirty with demonstrations, three of them."""
    shown = ("train-000000", "train-000001", "train-000002") if spec.demonstrations else ()
    return StatesFacts(
        layers=(2,), pooling="last", dtype="float32", max_tokens=64, tokens=6 * prompts, truncated=0,
        seconds=(0.03 if shown else 0.01) * prompts, demonstrations=shown, norm=NormFacts(min=1.0, mean=2.0, max=3.0),
    )  # fmt: skip


def scores_facts(prompts):
    return WordScoresFacts(dtype="float32", max_tokens=64, tokens=6 * prompts, truncated=0, seconds=0.01, words=())


def state_table(ids):
    count = len(ids)
    columns = {"tokens": pa.array([6] * count, pa.int32()), "truncated": [False] * count}
    columns |= {"label": pa.array([0] * count, pa.int32()), "layer_2": vectors(np.zeros((count, 4), np.float32))}
    return pa.table({"id": ids} | columns)
