"""The states of all tokens of a split as arrays."""

from dataclasses import dataclass

import numpy as np

from tasks.steps.label_columns import ONE
from tasks.steps.specs import TokenStatesSpec
from vocabsem.states.layers import column_of
from warehouse.home import Home
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix


@dataclass(frozen=True, eq=False)
class TokenRows:
    """T tokens of N texts, in their order."""

    ids: list[str]
    """Of the texts."""
    labels: np.ndarray
    """(N,): of the texts."""
    text: np.ndarray
    """(T,): number of each token's text."""
    position: np.ndarray
    """(T,): from 0, in the prompt."""
    token: np.ndarray
    """(T,): its number in the vocabulary."""
    states: dict[int, np.ndarray]
    """(T, d), by layer."""

    @property
    def last(self) -> np.ndarray:
        """(N,): row of each text's last token."""
        return np.flatnonzero(np.diff(self.text, append=-1))


def read_token_states(home: Home, model: str, dataset: str, split: str, key: str, layers: tuple[int, ...]) -> TokenRows:
    """Return the stored states of all tokens of a split, of these layers."""
    partition = Lake(home).partition(TokenStatesSpec.kind, key, model=model, dataset=dataset, split=split)
    table = partition.table(["id", ONE, "position", "token", *map(column_of, layers)])
    position = table["position"].to_numpy()
    first = position == 0
    return TokenRows(
        ids=table["id"].filter(first).to_pylist(),
        labels=table[ONE].to_numpy()[first],
        text=first.cumsum() - 1,
        position=position,
        token=table["token"].to_numpy(),
        states={layer: matrix(table[column_of(layer)]) for layer in layers},
    )
