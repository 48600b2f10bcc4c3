"""An experiment card with overrides: an experiment of its own, so that its scores never replace those of the card."""

import re
from functools import reduce
from typing import Any

from flows.planning.experiment import Experiment, load_experiment
from warehouse.lake.keys import partition_key

SEPARATOR = "--"  # between the name of the card and what is overridden
NEUTRAL = {"device", "runner", "shard_rows", "description", "protocol"}  # keys that change no score
LONGEST = 60  # characters of a name
PLAIN = re.compile(r"[a-z0-9_]+")


def load_variant(name_or_path: str, overrides: dict[str, Any] | None = None) -> Experiment:
    """Return the experiment of a card, under its own name where the overrides change no score.

    With others it is a variant: named after the card and the overrides, unless these have a name, and registering no
    champion, unless they say so. Raises what `load_experiment` raises.
    """
    changed = load_experiment(name_or_path, overrides)
    if not overrides or "name" in overrides:
        return changed
    card = load_experiment(name_or_path)
    differing = {key: value for key, value in overrides.items() if _value(changed, key) != _value(card, key)}
    if not differing.keys() - NEUTRAL:
        return changed
    champion = changed.champion and "champion" in overrides
    return changed.model_copy(update={"name": variant_name(card.name, differing), "champion": champion})


def _value(experiment: Experiment, key: str) -> Any:
    """Return the value of a dotted key."""
    return reduce(getattr, key.split("."), experiment)


def variant_name(card: str, overrides: dict[str, Any]) -> str:
    """Return `quickstart--shots-0-4` for quickstart with shots=[0,4]; values that are no words add a digest."""
    parts, plain = [], True
    for key, value in sorted(overrides.items()):
        if key in NEUTRAL:
            continue
        words = [str(each).lower() for each in (value if isinstance(value, list) else [value])]
        plain = plain and all(PLAIN.fullmatch(word) for word in words)
        parts += [key, *words]
    name = f"{card}{SEPARATOR}" + "-".join(re.sub(r"[^a-z0-9_]+", "-", part).strip("-") for part in parts)
    if plain and len(name) <= LONGEST:
        return name
    digest = partition_key(overrides)[:8]
    return f"{name[: LONGEST - 9].rstrip('-')}-{digest}"


def card_of(name: str) -> str | None:
    """Return the card that an experiment of this name is a variant of, None for a card."""
    card, separator, _ = name.partition(SEPARATOR)
    return card if separator else None
