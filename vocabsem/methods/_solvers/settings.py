"""A solver's settings among the parameters of an estimator, which have the same names."""

from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

S = TypeVar("S", bound="DataclassInstance")


def settings_of(estimator: object, kind: type[S]) -> S:
    """Return the dataclass `kind` with the values that the estimator has for its fields."""
    return kind(**{field.name: getattr(estimator, field.name) for field in fields(kind)})
