"""One text, from the shell, by HTTP and in a loaded classifier, beside its language model alone in transformers."""

import json
import resource
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from benchmarks import MODEL, Row, Setting, best_of
from warehouse.home import Home

DATA = Path(__file__).parent.parent / "data"
TEXT = "a gorgeous, witty, seductive movie"
VOCABSEM = (sys.executable, "-m", "flows.cli.main", "--home")
CHANGES = {"limits": {"train": 64, "validation": 32, "test": 48}, "shots": ["all"], "methods": ["ridge"]}
BARE = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, dtype, prompt = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
network = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
with torch.inference_mode():
    network.base_model(**tokenizer(prompt, return_tensors="pt"))
"""
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy: it is this machine


def measure(setting: Setting) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        setting.share_cache(folder)
        card = yaml.safe_load((DATA / "experiments" / "quickstart.yaml").read_text(encoding="utf-8"))
        card |= {"name": "commands", "models": [MODEL], "datasets": [setting.dataset]} | CHANGES
        path = Path(folder) / "commands.yaml"  # a variant of quickstart would register no champion
        path.write_text(yaml.safe_dump(card), encoding="utf-8")
        subprocess.run([*VOCABSEM, folder, "run", str(path)], check=True)
        yield from with_champion(setting, Home.find(folder))


def with_champion(setting: Setting, home: Home) -> Iterator[Row]:
    """Measure the champion of the data set in a home."""
    import torch

    from tasks.tracking.registered import find_classifier
    from vocabsem.cards.loader import load_card
    from vocabsem.models.checkpoints import fetch_checkpoint
    from vocabsem.text_models.text_classifier import TextClassifier

    name = f"vocabsem-{setting.dataset}"
    classifier = TextClassifier(find_classifier(home, name).classifier)
    row = dict.fromkeys(classifier.fields, TEXT)
    prompt = classifier.config["template"].format(**row)
    folder, _ = fetch_checkpoint(load_card("models", MODEL), home.cache)
    bare = [sys.executable, "-c", BARE, str(folder), classifier.config["settings"]["dtype"], prompt]
    ours = [*VOCABSEM, str(home.root), "predict", "--model", name, TEXT]
    turns = [(processor_seconds(ours), processor_seconds(bare)) for _ in range(3)]
    shell, alone = (min(seconds) for seconds in zip(*turns, strict=True))
    yield Row("predict one text, from the shell: of the processor", shell, "its model alone", alone, "s", "≤ 1.25")

    ids = setting.model.tokenizer(prompt, return_tensors="pt").input_ids

    def forward() -> None:
        with torch.inference_mode():
            setting.model.network.base_model(ids)

    with served(home, name) as request:
        loaded, by_http, alone = best_of(20, lambda: classifier.predict_proba([row]), request, forward)
    yield Row("one text, loaded", 1000 * loaded, "its model alone", 1000 * alone, "ms", "≤ 1.25")
    yield Row("one text, by `vocabsem serve`", 1000 * by_http, "its model alone", 1000 * alone, "ms", "≤ 1.5")


def processor_seconds(command: Sequence[str]) -> float:
    """Return the seconds of the processor, user and system, that a command and its children take."""

    def used() -> float:
        total = resource.getrusage(resource.RUSAGE_CHILDREN)
        return total.ru_utime + total.ru_stime

    before = used()
    subprocess.run(command, check=True, capture_output=True)
    return used() - before


@contextmanager
def served(home: Home, name: str) -> Iterator[Callable[[], object]]:
    """Serve a registered model; yields a function that sends one text, on a connection of its own."""
    words = [*VOCABSEM, str(home.root), "serve", name]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            address = next(part for line in server.stdout for part in line.split() if part.startswith("http://"))
            body, kind = json.dumps({"inputs": [TEXT]}).encode(), {"content-type": "application/json"}
            request = urllib.request.Request(address.rstrip(";"), body, kind)
            yield lambda: DIRECT.open(request, timeout=60).read()
        finally:
            server.terminate()
