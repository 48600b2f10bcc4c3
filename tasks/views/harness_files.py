"""Predictions in the layout of lm-evaluation-harness 0.4 with --log_samples: a file of samples a task, and the results.

A task is one method at one number of shots and one seed on one data set: `trec_ridge_4_shots_seed_0`.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.steps.facts import AnchorsFacts, RunFacts, StatesFacts, facts_of
from tasks.steps.label_columns import read_labels
from tasks.steps.spec import Spec
from tasks.steps.specs import ExamplesSpec, FitSpec, PromptSpec, StatesSpec
from tasks.views.harness_samples import LOWER, UNTIL, Form, form_of, in_words, sample, scored_options, sha256_of
from tasks.views.recorded_run import Predictions, RecordedPartition, RecordedRun, Row
from vocabsem.errors import BadInput
from vocabsem.prompts.truncation import MASK

Selection = Mapping[str, str | None]


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
            results["task_hashes"][task] = sha256_of(hashes)
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
    where, spec = run.where(fit), run.fit_spec(fit)
    table = run.examples(where["dataset"], ["id", "split", "label", "fields"])
    table = table.filter(pc.equal(table["split"], split))
    labels = read_labels(table)
    (examples,) = (row for row in run.of_kind("examples") if row.what == where["dataset"])
    card = ExamplesSpec.parse(examples.payload).card
    names = [label["name"] for label in card["labels"]]
    form, options = form_of(labels, "choices" in card), names if "choices" in card else []
    words = spec.model_dump(mode="json")["words"]
    targets = in_words(names, labels) if form.asks_for_text else list(map(str, labels.tolist()))
    docs = [
        {"id": id_, **dict(fields)}
        for id_, fields in zip(*(table[n].to_pylist() for n in ("id", "fields")), strict=True)
    ]
    for answers in run.predictions(fit, split, table["id"].to_pylist()):
        seed = answers.seed
        task = re.sub(r"\W", "_", f"{where['dataset']}_{where['method']}_{where['shots']}_shots_seed_{seed}")
        states = run.states_of(fit, split, seed)
        template = _template(StatesSpec.parse(states.payload) if states else spec, table)
        shown = len(facts_of(states, StatesFacts).demonstrations) if states else 0
        prompts = [template.format_map(doc | {MASK: f"{{{MASK}}}"}) for doc in docs]
        requests = [_requests(form, doc, options, words) for doc in docs]
        answered = _answered(form, names, answers, list(map(len, requests)))
        rows = zip(docs, prompts, targets, requests, answered, form.values(labels, answers).tolist(), strict=True)
        samples = [sample(form, number, *row) for number, row in enumerate(rows)]
        named = f"{{{{[{', '.join(options)}]}}}}" if options else words
        config = _config(task, where, seed, template, examples.key, spec) | form.config(named)
        unit: dict[str, Any] = {
            "results": {"alias": task, "sample_len": len(labels)} | form.results(labels, answers),
            "group_subtasks": [],
            "configs": config | {"num_fewshot": shown},
            "versions": run.record.versions.get("vocabsem"),
            "n-shot": shown,
            "higher_is_better": {name: name not in LOWER for name in form.metrics},
            "n-samples": {"original": len(labels), "effective": len(labels)},
        }
        yield task, unit, samples


def _requests(form: Form, doc: Row, options: Sequence[str], words: Sequence[str]) -> list[Any]:
    """Return what follows a prompt: the options of a row by the names of their labels, or the label words of all."""
    if form.asks_for_text:
        return [UNTIL]
    return [f" {word}" for word in [doc[name] for name in options if name in doc] or words]


def _answered(form: Form, names: Sequence[str], answers: Predictions, requests: Sequence[int]) -> list[list[Any]]:
    """Return of each row an answer to each request."""
    if form.asks_for_text:
        assert answers.predicted is not None
        return [[text] for text in in_words(names, answers.predicted)]
    assert answers.probabilities is not None
    return [scored_options(row, n) for row, n in zip(answers.probabilities, requests, strict=True)]


def _template(spec: Spec, table: pa.Table) -> str:
    """Return the prompt around a text; methods that read no prompts are given the fields in lines."""
    names = [name for name, _ in table["fields"][0].as_py()] if len(table) else []
    return spec.template if isinstance(spec, PromptSpec) else "\n".join(f"{{{name}}}" for name in names)


def _config(task: str, where: Mapping[str, str], seed: int, template: str, examples: str, spec: FitSpec) -> Row:
    return {
        "task": task,
        "dataset_path": where["dataset"],
        "doc_to_text": template,
        "metadata": {
            "method": where["method"],
            "estimator": spec.method.model_dump(mode="json", by_alias=True, exclude_defaults=True),
            "shots": where["shots"],
            "seed": seed,
            "examples": examples,
            "max_tokens": spec.max_tokens if isinstance(spec, PromptSpec) else None,
        },
    }
