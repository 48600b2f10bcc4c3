"""Predictions in the layout of lm-evaluation-harness 0.4 with --log_samples: a file of samples a task, and the results.

A task is one method at one number of shots and one seed on one data set: `trec_ridge_4_shots_seed_0`.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.steps.facts import AnchorsFacts, RunFacts, StatesFacts, facts_of
from tasks.steps.label_columns import SEVERAL
from tasks.steps.spec import Spec
from tasks.steps.specs import ExamplesSpec, FitSpec, PromptSpec, StatesSpec
from tasks.views.recorded_run import RecordedPartition, RecordedRun, Row
from vocabsem.errors import BadInput, DataError
from vocabsem.evaluation.metrics import EPSILON, evaluate
from vocabsem.prompts.truncation import MASK

Selection = Mapping[str, str | None]
METRICS = {"acc": "accuracy", "macro_f1": "macro_f1"}
FILTER = "none"  # the harness's name for responses as they are


def write_harness(run: RecordedRun, output: Path, selection: Selection, split: str = "test") -> list[Path]:
    """Write the files of every model below a new folder, and return them.

    selection: model, dataset, method and shots of the fits to write; None is every one. Raises BadInput for a folder
    that is not empty, and where there is no such fit.
    """
    if output.suffix or (output.exists() and (not output.is_dir() or any(output.iterdir()))):
        raise BadInput(f"--output {output}: name a folder that is not there, or is empty")
    wanted = {name: value for name, value in selection.items() if value is not None}
    by_model: dict[str, list[RecordedPartition]] = {}
    for fit in run.fits:
        if wanted.items() <= run.where(fit).items():
            by_model.setdefault(run.where(fit)["model"], []).append(fit)
    if not by_model:
        named = ", ".join(f"{name} {value!r}" for name, value in wanted.items())
        raise BadInput(f"run {run.key[:12]} has no predictions of {named}: `vocabsem leaderboard` lists what there is")
    return [path for model, fits in by_model.items() for path in _write_model(run, output, model, fits, split)]


def _write_model(
    run: RecordedRun, output: Path, model: str, fits: list[RecordedPartition], split: str
) -> Iterator[Path]:
    anchors = next(row for row in run.of_kind("anchors") if row.what == model)
    source = re.sub(r"^\w+:|@[^@]*$", "", str(facts_of(anchors, AnchorsFacts).card["source"])) or model
    folder = output / re.sub(r'["<>:/|\\?*\[\]]+', "__", source)
    folder.mkdir(parents=True)
    began = datetime.fromisoformat(facts_of(run.record, RunFacts).started)
    date = began.replace(tzinfo=None).isoformat(timespec="microseconds").replace(":", "-")
    results = _head(run, source, began)
    for fit in fits:
        for task, unit, samples in _tasks(run, fit, split):
            path = folder / f"samples_{task}_{date}.jsonl"
            lines = (json.dumps(sample, ensure_ascii=False, allow_nan=False) + "\n" for sample in samples)
            path.write_text("".join(lines), encoding="utf-8")
            for name, value in unit.items():
                results[name][task] = value
            hashes = "".join(each["doc_hash"] + each["prompt_hash"] + each["target_hash"] for each in samples)
            results["task_hashes"][task] = _hash(hashes)
            yield path
    path = folder / f"results_{date}.json"
    path.write_text(json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    yield path


def _head(run: RecordedRun, source: str, began: datetime) -> Row:
    facts, versions = facts_of(run.record, RunFacts), run.record.versions
    of_tasks = ("results", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples")
    return {name: {} for name in of_tasks} | {
        "config": {"model": "vocabsem", "model_args": f"pretrained={source}", "limit": None},
        "git_hash": facts.git_commit,
        "date": began.timestamp(),
        "transformers_version": versions.get("transformers"),
        "vocabsem": {"version": versions.get("vocabsem"), "run": run.key},
        "task_hashes": {},
        "model_source": "vocabsem",
        "model_name": source,
        "model_name_sanitized": re.sub(r'["<>:/|\\?*\[\]]+', "__", source),
        "total_evaluation_time_seconds": str(facts.seconds),
    }


def _tasks(run: RecordedRun, fit: RecordedPartition, split: str) -> Iterator[tuple[str, dict[str, Any], list[Row]]]:
    """Yield the name, the entries of the results, and the samples of each seed."""
    where = run.where(fit)
    spec = run.fit_spec(fit)
    words = spec.model_dump(mode="json")["words"]
    table = run.examples(where["dataset"], ["id", "split", "label", "fields"])
    if SEVERAL in table.column_names:
        raise DataError(
            f"texts of dataset {where['dataset']!r} have any number of labels, and such a file gives each one: name"
            " another with --dataset"
        )
    table = table.filter(pc.equal(table["split"], split))
    labels = table["label"].to_numpy()
    (examples,) = (row for row in run.of_kind("examples") if row.what == where["dataset"])
    card = ExamplesSpec.parse(examples.payload).card
    names = [label["name"] for label in card["labels"]] if "choices" in card else []
    metrics = _metrics(names)
    for seed, probabilities, _ in run.probabilities(fit, split, table["id"].to_pylist()):
        task = re.sub(r"\W", "_", f"{where['dataset']}_{where['method']}_{where['shots']}_shots_seed_{seed}")
        states = run.states_of(fit, split, seed)
        template = _template(StatesSpec.parse(states.payload) if states else spec, table)
        shown = len(facts_of(states, StatesFacts).demonstrations) if states else 0
        docs = [
            {"id": id_, **dict(fields)}
            for id_, fields in zip(*(table[n].to_pylist() for n in ("id", "fields")), strict=True)
        ]
        prompts = [template.format_map(doc | {MASK: f"{{{MASK}}}"}) for doc in docs]
        rows = zip(docs, prompts, labels.tolist(), probabilities, strict=True)
        samples = [_sample(number, *row, _answers(row[0], names) or words) for number, row in enumerate(rows)]
        unit: dict[str, Any] = {
            "results": {"alias": task, "sample_len": len(labels)} | _figures(labels, probabilities, metrics),
            "group_subtasks": [],
            "configs": _config(task, where, seed, template, examples.key, spec, names) | {"num_fewshot": shown},
            "versions": run.record.versions.get("vocabsem"),
            "n-shot": shown,
            "higher_is_better": dict.fromkeys(metrics, True),
            "n-samples": {"original": len(labels), "effective": len(labels)},
        }
        yield task, unit, samples


def _template(spec: Spec, table: pa.Table) -> str:
    """Return the prompt around a text; methods that read no prompts are given the fields in lines."""
    names = [name for name, _ in table["fields"][0].as_py()] if len(table) else []
    return spec.template if isinstance(spec, PromptSpec) else "\n".join(f"{{{name}}}" for name in names)


def _metrics(names: Sequence[str]) -> list[str]:
    """Return the metrics of a task: accuracy alone of choices, where names are those of their places."""
    return ["acc"] if names else list(METRICS)


def _answers(doc: Row, names: Sequence[str]) -> list[str]:
    """Return the options of a row, by the names of their labels; none where all rows have the same label words."""
    return [doc[name] for name in names if name in doc]


def _sample(
    number: int, doc: Row, prompt: str, label: int, probabilities: NDArray[np.float32], words: list[str]
) -> Row:
    chosen = int(probabilities.argmax())
    logs = [math.log(max(float(each), EPSILON)) for each in probabilities[: len(words)]]
    answers = [[str(log), str(index == chosen)] for index, log in enumerate(logs)]
    return {
        "doc_id": number,
        "doc": doc,
        "target": str(label),
        "arguments": {f"gen_args_{i}": {"arg_0": prompt, "arg_1": f" {word}"} for i, word in enumerate(words)},
        "resps": [[answer] for answer in answers],
        "filtered_resps": answers,
        "filter": FILTER,
        "metrics": ["acc"],
        "doc_hash": _hash(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash(str(label)),
        "acc": float(chosen == label),
    }


def _figures(labels: NDArray[np.int32], probabilities: NDArray[np.float32], metrics: Sequence[str]) -> Row:
    """Return metrics as the harness names them; the deviation of the mean is known of accuracy alone."""
    scores = evaluate(labels, probabilities)
    figures: Row = {f"{name},{FILTER}": scores[METRICS[name]] for name in metrics}
    hits = (probabilities.argmax(1) == labels).astype(float)
    deviation = float(hits.std(ddof=1) / math.sqrt(len(hits))) if len(hits) > 1 else "N/A"
    return figures | {f"{name}_stderr,{FILTER}": deviation if name == "acc" else "N/A" for name in metrics}


def _config(
    task: str,
    where: Mapping[str, str],
    seed: int,
    template: str,
    examples: str,
    spec: FitSpec,
    names: Sequence[str],
) -> Row:
    return {
        "task": task,
        "dataset_path": where["dataset"],
        "doc_to_text": template,
        "doc_to_choice": f"{{{{[{', '.join(names)}]}}}}" if names else spec.model_dump(mode="json")["words"],
        "target_delimiter": " ",
        "output_type": "multiple_choice",
        "metric_list": [
            {"metric": name, "aggregation": "mean" if name == "acc" else name, "higher_is_better": True}
            for name in _metrics(names)
        ],
        "metadata": {
            "method": where["method"],
            "estimator": spec.method.model_dump(mode="json", by_alias=True, exclude_defaults=True),
            "shots": where["shots"],
            "seed": seed,
            "examples": examples,
            "max_tokens": spec.max_tokens if isinstance(spec, PromptSpec) else None,
        },
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
