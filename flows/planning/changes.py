"""Explain why steps are recomputed: a missing partition is compared with the newest older one of the same step."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flows.planning.plan import Plan
from warehouse.lake.manifest import Manifest
from warehouse.roles import by_role

LONGEST = 40  # characters of a value in a reason
Location = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Change:
    """One reason why partitions of a kind are recomputed."""

    kind: str
    reason: str
    partitions: int


def changes(plan: Plan) -> list[Change]:
    """Return each reason with the number of partitions it holds for, in the order of the steps.

    A partition whose place in the lake is empty is new, not changed, and has no reason. Runs are records that are
    appended: they are never recomputed.
    """
    older = _newest_by_location(plan)
    reasons: Counter[tuple[str, str]] = Counter()
    for step in plan.missing():
        before = older.get(_location(step.kind, step.coordinates))
        if before is not None and before.key != step.key and step.kind != "runs":
            reasons.update((step.kind, reason) for reason in set(_differences(before.payload, step.payload)))
    return [Change(kind, reason, partitions) for (kind, reason), partitions in reasons.items()]


def _newest_by_location(plan: Plan) -> dict[Location, Manifest]:
    kinds = {step.kind for step in plan.missing()}
    manifests = [manifest for kind in sorted(kinds) for manifest in plan.lake.manifests(kind)]
    return {_location(m.kind, m.coordinates): m for m in sorted(manifests, key=lambda m: m.created)}


def _location(kind: str, coordinates: Mapping[str, str]) -> Location:
    return kind, tuple(sorted(coordinates.items()))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs between two payloads of one place, which may be of two versions of the software."""
    own = {name: (before.get(name), after.get(name)) for name in before.keys() | after.keys()}
    inputs = own.pop("inputs", ({}, {}))
    yield from (reason for name, pair in sorted(own.items()) for reason in _reasons(name, *pair))
    former, present = (by_role(values or {}) for values in inputs)
    kinds = {role.kind for role in former.keys() | present.keys() if former.get(role) != present.get(role)}
    if kinds:
        yield f"other {', '.join(sorted(kinds))}"


def _reasons(name: str, before: Any, after: Any) -> Iterator[str]:
    if before == after:
        return
    if name == "version":
        yield f"step version {before} → {after}"
    elif name == "hashes" and isinstance(before, dict) and isinstance(after, dict):
        splits = sorted(split for split in before.keys() | after.keys() if before.get(split) != after.get(split))
        yield f"other bytes of the source of {', '.join(splits)}"
    elif isinstance(before, dict) and isinstance(after, dict):
        for inner in sorted(before.keys() | after.keys()):
            yield from _reasons(f"{name}.{inner}", before.get(inner), after.get(inner))
    else:
        yield f"{name} {_short(before)} → {_short(after)}"


def _short(value: Any) -> str:
    text = "unset" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
