"""Keys: they change with all that determines the content, with nothing else, and only from there on."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.steps.kinds import KINDS, spec_of
from tasks.steps.result_specs import ComparisonsSpec, DiagnosticsSpec, MetricsSpec, RunSpec
from tasks.steps.specs import (
    AdapterFitSpec,
    AnchorsSpec,
    DemonstrationsSpec,
    ExamplesSpec,
    HeadOutputsSpec,
    MethodSettings,
    StatesFitSpec,
    StatesRef,
    StatesSpec,
    TokenStatesSpec,
    WordScoresFitSpec,
    WordScoresSpec,
)
from tasks.steps.step import Step
from tasks.steps.study_specs import StudyItemsSpec, StudyValuesSpec
from tests.tasks.worlds import LABELS, dataset_card
from vocabsem.cards.schema import DatasetCard
from warehouse.home import Home
from warehouse.lake.keys import partition_key
from warehouse.lake.partition import Lake

GIVEN = {
    "dataset": {},
    "hashes": {"train": "a" * 64, "test": "b" * 64},
    "limits": {"train": None, "validation": 20, "test": None},
    "model": "tiny",
    "digest": "c" * 64,
    "gauge": "raw",
    "settings": {
        "layers": [2, 3],
        "pooling": "last",
        "dtype": "float32",
        "max_tokens": 64,
        "prepend_bos": False,
    },
    "method": "linear_probe",
    "specification": {"method": "linear_probe", "params": {}},
    "shots": 4,
    "seeds": [0, 1],
    "experiment": "tiny",
    "champion": True,
    "controls": [],
    "contrasts": [("rival", "linear_probe", "linear_probe")],
    "card": "grid",
    "study": {
        "hashes": {"texts": "d" * 64},
        "templates": {"bare": "{text}"},
        "params": {"cv": 5},
        "layers": [2, 3],
        "pooling": "last",
        "dtype": "float32",
        "max_tokens": 64,
        "seed": 0,
        "resamples": 1000,
        "null_draws": 100,
        "revision": 1,
    },
}
PREDICTIONS = {"predictions", "metrics", "comparisons", "runs"}
DIAGNOSTICS = {"diagnostics"}
STUDIES = {"study_items", "study_values"}
STATES = {"states", *PREDICTIONS, *DIAGNOSTICS, *STUDIES}
EXAMPLES = {"examples", *STATES}
ANCHORS = {"anchors", *PREDICTIONS, *DIAGNOSTICS, *STUDIES}
RUNS = {"runs"}
words = st.text(min_size=1, max_size=12)


def chain(**changes):
    """A step of each kind, as a plan chains them."""
    g = GIVEN | changes
    card = DatasetCard.model_validate(dataset_card(Path("/data"), **g["dataset"]))
    of = {"model": g["model"], "dataset": card.name}
    words = {"words": card.label_words, "word_tokens": card.word_tokens}
    examples = Step(
        ExamplesSpec(dataset=card.name, card=card.content(), hashes=g["hashes"], limits=g["limits"]),
    )
    anchors = Step(AnchorsSpec(model=g["model"], digest=g["digest"], gauge=g["gauge"]))
    prompts = {"examples": examples.key, "digest": g["digest"], "template": card.template}
    states = Step(StatesSpec(**of, **prompts, split="test", **g["settings"]))
    spec = StatesFitSpec(
        **of,
        **words,
        name=g["method"],
        method=MethodSettings.model_validate(g["specification"]),
        shots=g["shots"],
        seeds=g["seeds"],
        states=[StatesRef(split="test", key=states.key)],
        anchors=anchors.key,
    )
    predictions = Step(spec)
    metrics = Step(MetricsSpec(**predictions.coordinates, predictions=predictions.key))
    compared = Step(
        ComparisonsSpec(
            **of,
            shots=str(g["shots"]),
            predictions={g["method"]: predictions.key},
            contrasts=g["contrasts"],
        )
    )
    run = Step(
        RunSpec(
            experiment=g["experiment"],
            metrics=[metrics.key],
            comparisons=[compared.key],
            champion=g["champion"],
            controls=g["controls"],
        )
    )
    diagnosed = Step(
        DiagnosticsSpec(**of, **words, states={"test": states.key}, anchors={g["gauge"]: anchors.key}),
    )
    where = {"study": "grid", "card": g["card"], "model": g["model"]}
    items = Step(
        StudyItemsSpec(
            **where,
            **g["study"],
            digest=g["digest"],
            anchors=anchors.key,
            states={f"{card.name}/test": states.key},
            words={card.name: card.label_words},
            word_tokens={card.name: card.word_tokens},
        )
    )
    values = Step(StudyValuesSpec(**where, study_items=items.key))
    steps = (examples, anchors, states, predictions, metrics, compared, run, diagnosed, items, values)
    return {step.kind: step for step in steps}


def changed(**changes):
    before, after = chain(), chain(**changes)
    return {kind for kind, step in after.items() if step.key != before[kind].key}


def relabeled(**changes):
    return {"labels": [LABELS[0] | changes, *LABELS[1:]]}


def with_setting(**changes):
    return {"settings": GIVEN["settings"] | changes}


@settings(deadline=None, max_examples=50)
@given(
    description=words, license=words, citation=st.none() | words, folder=st.from_regex(r"[a-z]{1,8}", fullmatch=True)
)
def test_prose_and_places_change_no_key(description, license, citation, folder):
    files = {split: f"file:/{folder}/{split}.jsonl" for split in ("train", "test")}
    prose = {"description": description, "license": license, "citation": citation, "files": files}
    assert changed(dataset=prose) == set()


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"dataset": {"template": "film : {text} sentiment :"}}, STATES),
        ({"dataset": relabeled(word="dull")}, PREDICTIONS | DIAGNOSTICS | STUDIES),
        ({"dataset": {"word_tokens": "mean"}}, PREDICTIONS | DIAGNOSTICS | STUDIES),
        ({"dataset": relabeled(name="negative")}, EXAMPLES),
        ({"dataset": relabeled(value="0")}, EXAMPLES),
        ({"dataset": {"labels": LABELS[::-1]}}, EXAMPLES),
        ({"dataset": {"fields": {"text": "sentence"}}}, EXAMPLES),
        ({"dataset": {"where": {"language": "en"}}}, EXAMPLES),
        ({"dataset": {"drop_empty": True}}, EXAMPLES),
        ({"dataset": {"split": {"validation": 0.5}}}, EXAMPLES),
        ({"dataset": {"split": {"validation": 0.25, "seed": 1}}}, EXAMPLES),
        ({"hashes": {"train": "a" * 64, "test": "c" * 64}}, EXAMPLES),
        ({"limits": {"train": None, "validation": 21, "test": None}}, EXAMPLES),
        ({"digest": "d" * 64}, STATES | ANCHORS),
        ({"gauge": "centered"}, ANCHORS),
        (with_setting(layers=[3]), STATES),
        (with_setting(pooling="mean"), STATES),
        (with_setting(dtype="bfloat16"), STATES),
        (with_setting(max_tokens=63), STATES),
        (with_setting(prepend_bos=True), STATES),
        ({"specification": {"method": "linear_probe", "params": {"x": 1}}}, PREDICTIONS),
        ({"specification": {"method": "centroid", "params": {}}}, PREDICTIONS),
        ({"shots": 5}, PREDICTIONS),
        ({"shots": "all"}, PREDICTIONS),
        ({"seeds": [0]}, PREDICTIONS),
        ({"seeds": [1, 0]}, PREDICTIONS),
        ({"champion": False}, RUNS),
        ({"card": "grid--seed-1"}, STUDIES),
        ({"study": GIVEN["study"] | {"seed": 1}}, STUDIES),
        ({"contrasts": [("anchors over random", "linear_probe", "linear_probe")]}, {"comparisons", "runs"}),
        ({"controls": ["linear_probe"]}, RUNS),
        ({"dataset": {"templates": {"bare": "{text} :"}, "words": {"plain": ["was", "review", "film"]}}}, set()),
    ],
    ids=lambda given: str(sorted(given) if isinstance(given, set) else given),
)
def test_what_determines_the_content_changes_the_keys_from_there_on(changes, kinds):
    assert changed(**changes) == kinds


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True), min_size=2, max_size=5, unique_by=tuple)
)
def test_different_seeds_never_share_a_key(several):
    assert len({chain(seeds=seeds)["predictions"].key for seeds in several}) == len(several)


def test_the_same_content_under_two_names_is_two_partitions(tmp_path):
    """A template is compared with another by two cards of the same rows: each has its own folder, and its own key."""
    assert changed(dataset={"name": "made-again"}) == EXAMPLES
    assert changed(model="tiny-again") == STATES | ANCHORS
    assert changed(method="probe") == PREDICTIONS
    assert changed(experiment="other") == RUNS


def test_a_key_is_the_hash_of_the_payload_and_ignores_its_order():
    for step in chain().values():
        assert step.key == partition_key(dict(step.payload))
        assert step.payload["version"] == step.spec.version
        assert step.payload["inputs"] == step.inputs
    assert not changed(limits=dict(reversed(GIVEN["limits"].items())))
    assert not changed(settings=dict(reversed(GIVEN["settings"].items())))


APART = (DemonstrationsSpec, TokenStatesSpec, HeadOutputsSpec, WordScoresSpec)  # that the chain has not


@pytest.mark.parametrize("kind", [spec.kind for spec in KINDS if spec not in APART])
def test_a_new_version_of_a_step_changes_it_and_what_follows(kind, monkeypatch):
    before = {kind: step.key for kind, step in chain().items()}
    spec = type(chain()[kind].spec)
    monkeypatch.setattr(spec, "version", spec.version + 1)
    after = chain()
    follows = {"examples": EXAMPLES, "states": STATES, "anchors": ANCHORS, "predictions": PREDICTIONS}
    follows |= {"diagnostics": DIAGNOSTICS, "study_items": STUDIES, "study_values": {"study_values"}}
    expected = follows.get(kind, {kind, "runs"})
    assert {kind for kind, step in after.items() if step.key != before[kind]} == expected


def test_a_step_lies_where_its_coordinates_say(tmp_path):
    lake = Lake(Home(tmp_path))
    step = chain()["predictions"]
    path = lake.home.lake / "predictions" / "model=tiny" / "dataset=made" / "method=linear_probe" / "shots=4"
    assert step.partition(lake).path == path / f"key={step.key[:12]}"


def published(step, tmp_path):
    """The manifest of a step, written and read."""
    partition = step.partition(Lake(Home(tmp_path)))
    partition.publish([], payload=step.payload, inputs=step.inputs)
    return partition.manifest()


def test_a_spec_reads_back_equal_from_its_manifest(tmp_path):
    of = {"model": "tiny", "dataset": "made"}
    states, fit = (chain()[kind].spec for kind in ("states", "predictions"))
    refs = (StatesRef(split="train", key="a" * 64), StatesRef(split="test", key="b" * 64, random_state=1))
    prompts = states.model_dump(include={"examples", "digest", "template", "dtype", "max_tokens", "prepend_bos"})
    adapter = fit.model_dump(include={"name", "shots", "method", "words", "word_tokens", "seeds"})
    several = (
        *(step.spec for step in chain().values()),
        states.model_copy(update={"demonstrations": "d" * 64}),
        TokenStatesSpec(**of, **prompts, split="test", layers=(2, 3)),
        HeadOutputsSpec(**of, **prompts, split="test", layers=(2, 3)),
        chain()["study_items"].spec.model_copy(update={"token_states": {"made/test": "e" * 64}}),
        chain()["study_items"].spec.model_copy(update={"head_outputs": {"made/test": "f" * 64}}),
        DemonstrationsSpec(**of, **prompts, per_class="fit", random_state=3, context=512, words=("bad",), order=2),
        fit.model_copy(update={"states": refs, "temperature": 5, "on_insufficient": "use_all"}),
        AdapterFitSpec.model_validate(of | prompts | adapter | {"temperature": True}),
        WordScoresSpec(**of, **prompts, split="test", words=("not good", "bad"), demonstrations="d" * 64),
        WordScoresFitSpec(**of, **adapter, states=refs, scoring="exact_mean"),
    )
    for spec in several:
        assert spec_of(published(Step(spec), tmp_path)) == spec


def test_states_of_tokens_are_an_input_of_a_study_and_change_no_key_of_one_without():
    spec = chain()["study_items"].spec
    assert "token_states" not in str(spec.canonical())
    read = Step(spec.model_copy(update={"token_states": {"made/test": "e" * 64}}))
    assert read.inputs["token_states:made/test"] == "e" * 64
    assert read.key != Step(spec).key


def test_the_states_of_a_seed_are_those_with_its_demonstrations_and_those_without():
    keys = [character * 64 for character in "abc"]
    fit = chain()["predictions"].spec.model_copy(
        update={
            "states": (
                StatesRef(split="content_free", key=keys[0]),
                StatesRef(split="test", key=keys[1], random_state=0),
                StatesRef(split="test", key=keys[2], random_state=1),
            )
        }
    )
    assert fit.state_keys(1) == {"content_free": keys[0], "test": keys[2]}
    assert fit.state_keys() == {"content_free": keys[0]}
    assert list(fit.inputs) == ["states:content_free", "states:test@0", "states:test@1", "anchors"]
