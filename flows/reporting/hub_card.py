"""Write the champions of a run as a model card of the Hugging Face hub: prose, and `model-index` metadata."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flows.reporting.run_summary import Run, RunSummary
from tasks.steps.facts import AnchorsFacts, ExamplesFacts, facts_of
from tasks.steps.specs import AnchorsSpec
from tasks.tracking import markdown
from tasks.tracking.outcome import CHAMPION, registered_name
from tasks.views.recorded_run import RecordedPartition, RecordedRun
from vocabsem.errors import BadInput
from vocabsem.evaluation.protocol import card_summary
from vocabsem.label_kinds import NAMES, headline
from warehouse.catalog import reads
from warehouse.home import Home

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

TASK = "text-classification"
Row = Mapping[str, Any]


def hub_card(home: Home, run: Run) -> str:
    """Return the README.md of the champions of a run, one of each data set: the best on validation data.

    Raises BadInput for a run without any: no validation data, or controls alone.
    """
    best = [row for row in reads.best_by_validation(home, run.key) if row["champion_rank"] == 1]
    if not best:
        raise BadInput(
            f"run {run.key[:12]} of {run.experiment} has no fit that could be a champion: they are chosen by validation"
            " data, among states and exact scores of prompts without demonstrations, controls aside"
        )
    scores = {row["key"]: row for row in reads.run_scores(home, run.key)}
    champions = [dict(scores[row["key"]]) for row in best]
    recorded = RecordedRun(home, run.key)
    data = _metadata(recorded, run, champions)
    return "\n".join(["---", data.to_yaml().rstrip(), "---", "", *_lines(home, recorded, run, champions)]) + "\n"


def _metadata(recorded: RecordedRun, run: Run, champions: Sequence[Row]) -> "ModelCardData":
    from huggingface_hub import ModelCardData

    cards = {row.what: facts_of(row, AnchorsFacts).card for row in recorded.of_kind("anchors")}
    used = [cards[name] for name in dict.fromkeys(row["model"] for row in champions)]
    hubs = [hub for card in used if (hub := _on_hub(str(card["source"])))]
    sets = {row.what: _dataset_on_hub(row) for row in recorded.of_kind("examples")}
    return ModelCardData(
        model_name=f"vocabsem-{run.experiment}",
        library_name="vocabsem",
        pipeline_tag=TASK,
        base_model=hubs or None,
        datasets=sorted({hub for row in champions if (hub := sets[row["dataset"]])}) or None,
        metrics=list(dict.fromkeys(each for row in champions for each in _metrics(row))),
        tags=["vocabsem", "vocabulary-defined-semantics"],
        **_license([str(card.get("license", "")) for card in used]),
        eval_results=[each for row in champions for each in _results(run, row, sets[row["dataset"]])],
    )


def _results(run: Run, row: Row, hub: str | None) -> "list[EvalResult]":
    from huggingface_hub import EvalResult

    common: dict[str, Any] = {
        "task_type": TASK,
        "dataset_type": hub or row["dataset"],
        "dataset_name": row["dataset"],
        "dataset_split": "test",
        "dataset_args": {"method": row["method"], "shots": row["shots"], "seeds": row["n_seeds"], "run": run.key},
    }
    return [EvalResult(**common, **named, metric_type=kind) for kind, named in _metrics(row).items()]


def _metrics(row: Row) -> dict[str, dict[str, Any]]:
    """Return the metrics of a champion, under the names that they have on the hub."""
    if headline(row) == "r2":
        return {
            "r_squared": {"metric_name": "R²", "metric_value": row["r2"]},
            "spearmanr": {"metric_name": "Spearman", "metric_value": row["spearman"]},
        }
    return {
        "f1": {"metric_name": "macro-F1", "metric_args": {"average": "macro"}, "metric_value": row["macro_f1"]},
        "accuracy": {"metric_name": "accuracy", "metric_value": row["accuracy"]},
    }


def _on_hub(source: str) -> str | None:
    """Return the name on the hub of a source that is there."""
    match = re.match(r"hf:(?:datasets/)?([^/@]+/[^/@]+)", source)
    return match[1] if match else None


def _dataset_on_hub(row: RecordedPartition) -> str | None:
    return next((hub for source in facts_of(row, ExamplesFacts).sources.values() if (hub := _on_hub(source))), None)


def _license(licenses: Sequence[str]) -> dict[str, Any]:
    """Return the keys of the hub for one license that it can name; others are stated in the text."""
    name = licenses[0].lower() if len(set(licenses)) == 1 else ""
    return {"license": name} if re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name) else {"license": "other"}


def _lines(home: Home, recorded: RecordedRun, run: Run, champions: Sequence[Row]) -> list[str]:
    headlines = " and ".join(dict.fromkeys(NAMES[headline(row)] for row in champions))
    head = ["data set", "model", "method", "shots", f"{headlines} [95 %]", "accuracy", "NLL"]
    rows = [
        [
            *(row["dataset"], row["model"], f"`{row['method']}`", row["shots"]),
            f"{row[metric]:.3f} [{row[f'{metric}_low']:.3f}, {row[f'{metric}_high']:.3f}]",
            *("–" if row[name] is None else f"{row[name]:.3f}" for name in ("accuracy", "nll")),
        ]
        for row in champions
        for metric in [headline(row)]
    ]
    facts = RunSummary(home, run).provenance()
    sources = [f"- {name}: {markdown.escape(value)}" for name, value in facts.items()]
    licenses = [f"- {row.what}: {_stated(row)}" for kind in ("anchors", "examples") for row in recorded.of_kind(kind)]
    first = champions[0]
    return [
        f"# {run.experiment}",
        "",
        markdown.escape(run.card["description"] or "Classifiers of texts."),
        "",
        "Classifiers over hidden states of a frozen language model, made with vocabsem (vocabulary-defined semantics,"
        " arXiv 2401.16184). The model itself is unchanged. Of each data set the method and the number of labels are"
        f" those with the highest {headlines} on validation data, controls aside.",
        "",
        "## Results",
        "",
        "Test data, means over seeds where the seed matters; intervals by bootstrap over examples and seeds; by"
        f" {card_summary(run.card)}. Shots: labeled examples per class.",
        "",
        *markdown.pipes(head, rows),
        "",
        "## Use",
        "",
        "```",
        f'vocabsem predict --model {registered_name(first["dataset"])}@{CHAMPION} "a text"',
        "```",
        "",
        "It needs the home in which the run registered them. Texts of another kind than the data set's get an answer"
        " all the same. Template, label words and classes are those of the data set's card.",
        "",
        "## Licenses",
        "",
        *licenses,
        "",
        "## Made from",
        "",
        *sources,
    ]


def _stated(row: RecordedPartition) -> str:
    if row.kind == AnchorsSpec.kind:
        card = facts_of(row, AnchorsFacts).card
        parts = [card.get("license", "none stated"), card.get("citation")]
    else:
        facts = facts_of(row, ExamplesFacts)
        parts = [facts.license, facts.citation]
    return markdown.escape("; ".join(str(part) for part in parts if part))
