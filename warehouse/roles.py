"""Roles of a partition's inputs; text only in manifests and keys."""

from collections.abc import Mapping
from typing import NamedTuple, Self


class Role(NamedTuple):
    """The kind of an input and, of several of a kind, which one."""

    kind: str
    which: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.which}" if self.which else self.kind

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the role that a manifest has as `states:train`, `metrics:0` or `anchors`."""
        kind, _, which = text.partition(":")
        return cls(kind, which)


def by_role(inputs: Mapping[str, str]) -> dict[Role, str]:
    """Return the inputs of a manifest or payload."""
    return {Role.parse(text): key for text, key in inputs.items()}


def keys_of(inputs: Mapping[Role, str], kind: str) -> dict[str, str]:
    """Return the keys of the inputs of one kind by which one each is."""
    return {role.which: key for role, key in inputs.items() if role.kind == kind}
