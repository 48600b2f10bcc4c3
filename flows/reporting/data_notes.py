"""What was changed in the data before anything was learned from them: rows left out, labels that differ, texts cut."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from flows.planning.plan import Plan
from tasks.steps.facts import StatesFacts

Notes = list[tuple[str, str]]
"""Data set (and model), and what was changed."""


def examples_notes(facts: Mapping[str, Any]) -> list[str]:
    """Sentences on the rows of a data set that are not in its splits as they were."""
    repeats = facts["duplicates_removed"]
    sentences = {
        "repeated texts removed from training": repeats["repeated"],
        "training texts removed that are also for validation or testing": repeats["also_in_test_or_validation"],
        "texts stand with different labels (vocabsem query failed-checks lists them); in training the first counts": (
            facts.get("contradicting_texts", 0)
        ),
        "rows without text dropped": facts["empty_dropped"],
        "rows dropped whose label is not in the card": facts.get("unlisted_dropped", 0),
    }
    return [f"{count:,} {sentence}" for sentence, count in sentences.items() if count]


def left_out_notes(facts: Mapping[str, Any]) -> Notes:
    """Which methods were not run with which models or on which data sets, and why."""
    return [(what, f"{method} left out: {why}") for what, method, why in facts.get("left_out", ())]


def data_notes(partitions: Iterable[Mapping[str, Any]]) -> Notes:
    """The notes on runs, examples and states. A partition has kind, what, key, facts and payload."""
    used = list(partitions)
    examples = {each["key"]: each for each in used if each["kind"] == "examples"}
    notes = [note for each in used if each["kind"] == "runs" for note in left_out_notes(each["facts"])]
    notes += [(each["what"], note) for each in examples.values() for note in examples_notes(each["facts"])]
    cut: Counter[tuple[str, int, int]] = Counter()
    texts: Counter[tuple[str, int, int]] = Counter()
    for each in used:
        payload, facts = each["payload"], each["facts"]
        source = examples.get(payload["inputs"].get("examples", ""))
        if each["kind"] == "states" and source and payload["split"] in source["facts"]["rows"]:
            model = each["what"].partition(", ")[0]
            at = f"{source['what']}, {model}", payload["max_tokens"], payload.get("max_chunks", 1)
            cut[at] += StatesFacts.model_validate(facts).truncated
            texts[at] += source["facts"]["rows"][payload["split"]]
    for (what, limit, chunks), count in cut.items():
        if count:
            share = f"{count:,} of {texts[what, limit, chunks]:,} texts ({count / texts[what, limit, chunks]:.0%})"
            times = f"{chunks} × " if chunks > 1 else ""
            fix = "raise max_chunks, or max_tokens of the experiment and of the model's card, to read more"
            notes.append((what, f"{share} cut to {times}{limit} tokens with their template: {fix}"))
    return notes


def plan_notes(plan: Plan) -> Notes:
    """What a plan leaves out, and the notes on those of its examples and states that are published."""
    partitions = []
    for step in plan.steps():
        manifest = step.partition(plan.lake).manifest() if step.kind in ("examples", "states") else None
        if manifest:
            what = ", ".join(step.coordinates.values())
            content = {"key": manifest.key, "facts": manifest.facts, "payload": manifest.payload}
            partitions.append({"kind": step.kind, "what": what, **content})
    return left_out_notes({"left_out": plan.left_out}) + data_notes(partitions)
