"""What an experiment card may set of fine-tuning by adapters. Nothing slow is imported."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, PositiveFloat, PositiveInt, ValidationError

from vocabsem.cards import Card
from vocabsem.errors import CardError


class Schedule(Card):
    """What an experiment card may set."""

    steps: PositiveInt = 200
    """Steps of training at most; the learning rate would be zero after the last."""
    stops: PositiveInt = 5
    """Places, even over the steps, where training may end."""
    learning_rates: list[PositiveFloat] = Field(default=[])
    """Of which one is chosen; none given: the three that suit the kind."""

    @classmethod
    def of(cls, kind: str, params: Mapping[str, Any]) -> "Schedule":
        """Raises CardError with every unknown parameter or wrong value."""
        try:
            return cls.model_validate(dict(params))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors())
            known = ", ".join(cls.model_fields)
            raise CardError(f"parameters of method {kind}: {wrong}: it takes {known}") from None
