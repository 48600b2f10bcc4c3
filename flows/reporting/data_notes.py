"""What was changed in the data before anything was learned from them: rows left out, labels that differ, texts cut."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from flows.planning.method_rules import why_no_champion
from flows.planning.plan import Plan
from tasks.steps.checks import balance_as_in_training
from tasks.steps.facts import ChosenLayer, DemonstrationsFacts, ExamplesFacts, RunFacts, StatesFacts, facts_of
from tasks.steps.result_specs import RunSpec
from tasks.steps.specs import DemonstrationsSpec, ExamplesSpec, StatesSpec
from tasks.views.recorded_run import RecordedPartition
from vocabsem.datasets.data_facts import DataFacts

Notes = list[tuple[str, str]]
"""Data set (and model), and what was changed."""
CONTRADICTING = (
    "texts stand with different labels (after a run, vocabsem query failed-checks lists them);"
    " in training the first counts"
)


def examples_notes(facts: ExamplesFacts | DataFacts) -> list[str]:
    """Sentences on the rows of a data set that are not in its splits as they were."""
    repeats = facts.duplicates_removed
    sentences = {
        "repeated texts removed from training": repeats["repeated"],
        "training texts removed that are also for validation or testing": repeats["also_in_test_or_validation"],
        CONTRADICTING: facts.contradicting_texts,
        "rows without text dropped": facts.empty_dropped,
        "rows dropped whose label is not in the card": facts.unlisted_dropped,
    }
    uneven = [check for check in balance_as_in_training(facts.counts) if not check["passed"]]
    return [f"{count:,} {sentence}" for sentence, count in sentences.items() if count] + [
        f"{check['name'].replace('as frequent', 'not as frequent')}: {check['detail']}" for check in uneven
    ]


def left_out_notes(left_out: Sequence[tuple[str, str, str]]) -> Notes:
    """Which methods were not run with which models or on which data sets, and why."""
    methods: dict[tuple[str, str], list[str]] = {}
    for what, method, why in left_out:
        methods.setdefault((what, why), []).append(method)
    return [(what, f"{', '.join(names)} left out: {why}") for (what, why), names in methods.items()]


def chosen_notes(chosen: Sequence[ChosenLayer]) -> Notes:
    """Which layers were taken where a card has layers: auto, and by which study."""
    return [
        (
            f"{one.dataset}, {one.model}",
            f"layers: auto takes layer {one.layer}, the first within the tolerance of the best by leave-one-out F1 of"
            f" {one.texts:,} labeled training texts, more than few shots show (study grid, key {one.study[:12]})",
        )
        for one in chosen
    ]


def data_notes(partitions: Iterable[RecordedPartition]) -> Notes:
    """The notes on runs, examples and states."""
    used = list(partitions)
    examples = {one.key: (one.what, facts_of(one, ExamplesFacts)) for one in used if one.kind == ExamplesSpec.kind}
    runs = [facts_of(one, RunFacts) for one in used if one.kind == RunSpec.kind]
    notes = [note for facts in runs for note in left_out_notes(facts.left_out) + chosen_notes(facts.chosen)]
    notes += [(what, note) for what, facts in examples.values() for note in examples_notes(facts)]
    return notes + _cut_notes(used, examples)


def _cut_notes(used: Sequence[RecordedPartition], examples: Mapping[str, tuple[str, ExamplesFacts]]) -> Notes:
    """How many texts were cut, to which length and by what; after demonstrations each prompt counts."""
    shown = {one.key: facts_of(one, DemonstrationsFacts) for one in used if one.kind == DemonstrationsSpec.kind}
    cut: Counter[tuple[str, str, str]] = Counter()
    texts: Counter[tuple[str, str, str]] = Counter()
    for states in (one for one in used if one.kind == StatesSpec.kind):
        spec = StatesSpec.parse(states.payload)
        if spec.examples in examples and spec.split in examples[spec.examples][1].rows:
            what, of = examples[spec.examples]
            at = f"{what}, {spec.model}", *_limit(spec, shown.get(spec.demonstrations or ""))
            cut[at] += facts_of(states, StatesFacts).truncated
            texts[at] += of.rows[spec.split]
    return [
        (what, f"{count:,} of {texts[what, kind, limit]:,} {kind} ({count / texts[what, kind, limit]:.0%}) cut {limit}")
        for (what, kind, limit), count in cut.items()
        if count
    ]


def _limit(spec: StatesSpec, shown: DemonstrationsFacts | None) -> tuple[str, str]:
    """What is counted, and to how many tokens it is cut and how it is not."""
    kind = "prompts with demonstrations" if spec.demonstrations else "texts"
    times = f"{spec.max_chunks} × " if spec.max_chunks > 1 else ""
    if shown and (left := shown.context - shown.tokens) < spec.max_tokens:
        fix = "show fewer, or raise context of the model's card"
        return kind, f"to the {times}{left} tokens that these leave: {fix}, to read more"
    fix = "raise max_chunks, or max_tokens of the experiment and of the model's card"
    return kind, f"to {times}{spec.max_tokens} tokens with their template: {fix}, to read more"


def plan_notes(plan: Plan) -> Notes:
    """What a plan leaves out and chooses, and the notes on those of its examples and states that are published."""
    partitions = [
        RecordedPartition.of(manifest)
        for step in plan.steps()
        if step.kind in (ExamplesSpec.kind, DemonstrationsSpec.kind, StatesSpec.kind)
        and (manifest := step.partition(plan.lake).manifest())
    ]
    of_plan = left_out_notes(plan.left_out) + chosen_notes(plan.chosen) + _champion_notes(plan)
    return of_plan + data_notes(partitions)


def _champion_notes(plan: Plan) -> Notes:
    """Which data sets will have no champion though the card asks for one, and why."""
    sets = {pair.dataset.name: pair.dataset for pair in plan.pairs if plan.experiment.champion}
    having = {fit.dataset.name for fit in plan.fits if fit.servable and not fit.control}
    return [(name, f"no champion: {why_no_champion(dataset)}") for name, dataset in sets.items() if name not in having]
