"""The form of a spec: what determines the content of a partition, and the plain values that its key is the hash of."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from warehouse.roles import Role, by_role

Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def numbered(kind: str, keys: Iterable[str]) -> dict[str, str]:
    """Return inputs of one kind, numbered in their order."""
    return {str(Role(kind, str(index))): key for index, key in enumerate(keys)}


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Spec(Frozen):
    """What every kind shares: coordinates name the partition's folder, inputs are what it is made from."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    path_fields: ClassVar[Mapping[str, str]]
    """Coordinate → field, in the order of the path."""
    also_content: ClassVar[frozenset[str]] = frozenset()
    """Fields that are coordinates and content."""
    references: ClassVar[frozenset[str]] = frozenset()
    """Fields that are inputs, by their keys."""
    renamed: ClassVar[Mapping[str, str]] = {}
    """Field → its name in the canonical form, where they differ."""
    frame: ClassVar[frozenset[str]] = frozenset({"step", "version", "coordinates", "inputs"})
    """Names in the canonical form that are no fields."""

    @property
    def coordinates(self) -> dict[str, str]:
        return {name: str(getattr(self, field)) for name, field in self.path_fields.items()}

    @property
    def inputs(self) -> dict[str, str]:
        """Role, as text → key."""
        keys = {name: getattr(self, name) for name in type(self).model_fields if name in self.references}
        return {name: key for name, key in keys.items() if key is not None}

    def canonical(self) -> dict[str, Any]:
        """Return the spec as the plain values that are hashed and stored in the manifest."""
        apart = (set(self.path_fields.values()) | self.references) - self.also_content
        content = self.model_dump(mode="json", by_alias=True, exclude=apart, exclude_defaults=True)
        frame = {"step": self.kind, "version": self.version, "coordinates": self.coordinates, "inputs": self.inputs}
        return frame | {self.renamed.get(name, name): value for name, value in content.items()}

    @classmethod
    def parse(cls, payload: Mapping[str, Any]) -> Self:
        """Return the spec whose canonical form is `payload`. Raises ValidationError."""
        names = {given: field for field, given in cls.renamed.items()}
        content = {names.get(name, name): value for name, value in payload.items() if name not in cls.frame}
        named = {field: payload["coordinates"].get(name) for name, field in cls.path_fields.items()}
        where = {field: value for field, value in named.items() if field not in cls.also_content}
        return cls.model_validate(content | where | cls._from_inputs(by_role(payload["inputs"]), payload))

    @classmethod
    def _from_inputs(cls, inputs: Mapping[Role, str], payload: Mapping[str, Any]) -> dict[str, Any]:
        return {str(role): key for role, key in inputs.items()}


class ModelDatasetSpec(Spec):
    """Of one model on one data set."""

    path_fields: ClassVar[Mapping[str, str]] = {"model": "model", "dataset": "dataset"}

    model: str
    """Name of the card."""
    dataset: str
    """Name of the card, with its variant."""
