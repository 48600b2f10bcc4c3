"""What `TextStates` accepts of settings: what a card could have, and a device that is there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, get_args

from vocabsem.cards.base import WordTokens
from vocabsem.errors import BadInput, DataError
from vocabsem.prompts.prompting import field_names, validate_template
from vocabsem.prompts.texts import is_empty
from vocabsem.prompts.truncation import MASK
from vocabsem.runtime.devices import DType, check_device

__all__ = ["Scoring", "WordTokens", "as_data_errors", "check_settings"]

Scoring = Literal["exact", "exact_mean"]


@contextmanager
def as_data_errors() -> Iterator[None]:
    """Raise errors of the block as DataError, which is a ValueError, as scikit-learn expects.

    Raises
    ------
    DataError
        In place of any other BadInput.
    """
    try:
        yield
    except DataError:
        raise
    except BadInput as error:
        raise DataError(str(error)) from error


def check_settings(settings: Mapping[str, Any]) -> None:
    """Check the settings of a `TextStates`.

    Parameters
    ----------
    settings : mapping of str to value
        Its parameters.

    Raises
    ------
    DataError
        For one that a card could not have, and for a device that is not there.
    """
    model, template, words, chunks = (settings[name] for name in ("model", "template", "words", "max_chunks"))
    if not isinstance(model, str) or not model:
        raise DataError(f"model is {model!r:.200}: give a card's name or path, hf:org/name, a folder or a .gguf file")
    try:
        fields = field_names(validate_template(template))
    except (TypeError, ValueError) as error:
        raise DataError(f"the template {template!r:.200} {error}") from None
    if not fields - {MASK}:
        raise DataError(f"the template {template!r:.200} has no field: write {{text}} where the text goes")
    for name, known in (("word_tokens", WordTokens), ("scoring", Scoring), ("dtype", DType)):
        if (value := settings[name]) not in get_args(known) and (name, value) != ("scoring", None):
            raise DataError(f"{name} is {value!r:.200}: choose one of {', '.join(map(repr, get_args(known)))}")
    if not isinstance(chunks, int) or chunks < 1:
        raise DataError(f"max_chunks is {chunks!r:.200}: give a whole number of 1 or more")
    if not isinstance(device := settings["device"], str):
        raise DataError(f"device is {device!r:.200}: give auto, cpu, cuda or another that torch knows, or offload")
    with as_data_errors():
        check_device(device)
    if words:
        _check_words(words)


def _check_words(words: Any) -> None:
    if not isinstance(words, Mapping) or len(words) < 2:
        raise DataError(f"words is {words!r:.200}: give a mapping of two or more classes to words")
    given = list(words.values())
    for label, word in words.items():
        if not isinstance(word, str) or is_empty(word):
            raise DataError(f"the label word of class {label!r:.200} is {word!r:.200}: give a word")
        if given.count(word) > 1:
            raise DataError(f"label word {word!r:.200} is given to two classes: choose another")
