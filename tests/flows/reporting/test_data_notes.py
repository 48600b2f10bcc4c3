"""Texts that were cut are stated, with their share: by the plan, at the end of a run, and in its report."""

import time
from html import unescape

from flows.cli.leaderboard_view import print_summary
from flows.reporting.data_notes import plan_notes
from flows.reporting.report import report
from tasks.record import record_run
from tasks.steps.facts import DemonstrationsFacts, facts_of
from tests.tasks.worlds import World, compute, model, write_card
from tests.vocabsem.architectures import tokenizer
from warehouse.catalog import catalog
from warehouse.lake.partition import Lake

LIMIT = 16
SMALL = {"methods": ["zero_shot"], "shots": [0], "seeds": [0], "max_tokens": LIMIT, "champion": False}


def test_texts_that_were_cut_are_stated_wherever_a_run_is_shown(tmp_path, capsys):
    plan = World(tmp_path, experiment=SMALL).plan()
    compute(plan)
    record_run.fn(plan.home, plan.experiment.model_dump(mode="json"), plan.run, time.time(), "", "none", [])
    catalog.rebuild(plan.home)

    rows = plan.pairs[0].examples.partition(Lake(plan.home)).table(["split", "text"]).to_pylist()
    texts = [row["text"] for row in rows if row["split"] != "train"]  # what zero-shot reads
    encode = tokenizer()
    cut = sum(len(encode(f"review : {text} sentiment :")["input_ids"]) > LIMIT for text in texts)
    assert 0 < cut < len(texts)
    note = f"{cut} of {len(texts)} texts ({cut / len(texts):.0%}) cut to {LIMIT} tokens with their template: raise"
    note += " max_chunks, or max_tokens of the experiment and of the model's card, to read more"
    assert ("made, tiny-llama", note) in plan_notes(plan)
    print_summary(plan.home, "tiny", plan.run.key, None)
    assert note in " ".join(capsys.readouterr().out.split())
    assert note in report(plan.home, "tiny")
    assert note in unescape(report(plan.home, "tiny", html=True))


def test_texts_that_are_read_in_several_prompts_are_not_cut(tmp_path):
    plan = World(tmp_path, experiment=SMALL | {"max_chunks": 4}).plan()
    compute(plan, ("examples", "states"))
    assert plan_notes(plan) == []
    plan = World(tmp_path, experiment=SMALL | {"max_tokens": 10, "max_chunks": 2}).plan()
    compute(plan, ("examples", "states"))
    assert "cut to 2 × 10 tokens" in plan_notes(plan)[0][1]


def test_prompts_cut_to_what_demonstrations_leave_are_counted_apart(tmp_path):
    shown = {"method": "zero_shot", "demonstrations": 2, "seeds": 1, "label": "icl"}
    world = World(tmp_path, experiment=SMALL | {"methods": ["zero_shot", shown], "max_tokens": 64})
    write_card(world.folder / "model.yaml", model().model_dump(mode="json") | {"context": 170})
    plan = world.plan()
    compute(plan, ("examples", "demonstrations", "states"))
    (step,) = (step for step in plan.steps() if step.kind == "demonstrations")
    left = 170 - facts_of(step.partition(plan.lake).require(), DemonstrationsFacts).tokens

    rows = plan.pairs[0].examples.partition(plan.lake).table(["split", "text"]).to_pylist()
    lengths = [
        len(tokenizer()(f"review : {row['text']} sentiment :")["input_ids"]) for row in rows if row["split"] != "train"
    ]
    cut = sum(length > left for length in lengths)
    assert 0 < cut < len(lengths)
    share = f"{cut} of {len(lengths)} prompts with demonstrations ({cut / len(lengths):.0%})"
    note = f"{share} cut to the {left} tokens that these leave: show fewer, or raise context of the model's card, to"
    assert plan_notes(plan) == [("made, tiny-llama", f"{note} read more")]
