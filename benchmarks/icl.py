"""In-context learning: what demonstrations before every prompt cost, and what sharing them saves."""

from collections.abc import Iterator
from unittest.mock import patch

from benchmarks import Row, Setting, best_of
from vocabsem.states.extraction import extract

SHARED, QUESTION = 900, 30  # tokens
QUESTIONS, FEW = 272, 6  # with and without sharing


def measure(setting: Setting) -> Iterator[Row]:
    """Run the same prompts through the same code, with and without the shared prefix."""
    model = setting.model
    stream = [token for prompt in setting.prompts(384) for token in prompt]
    shown, rest = stream[:SHARED], stream[SHARED:]
    prompts = [shown + rest[start : start + QUESTION] for start in range(0, QUESTIONS * QUESTION, QUESTION)]

    def apart() -> None:
        with patch("vocabsem.states.extraction.shared_tokens", lambda _: []):
            extract(model, prompts[:FEW], [model.layers])

    ours, theirs = best_of(3, lambda: extract(model, prompts, [model.layers]), apart)
    name = f"in-context learning, {SHARED} shared tokens, questions of {QUESTION}"
    yield Row(name, QUESTIONS / ours, "the same, nothing shared", FEW / theirs, "prompts/s", "≥ 20")
