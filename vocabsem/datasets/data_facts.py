"""What is counted while the rows of a data set become examples."""

from dataclasses import dataclass, field

__all__ = ["DataFacts"]


@dataclass
class DataFacts:
    """What was read, removed and kept; filled on the way."""

    rows_read: dict[str, int] = field(default_factory=dict)
    """Rows of each source."""
    rows_of_other_sources: int = 0
    """Left out by the card's `where`."""
    empty_dropped: int = 0
    """Rows without text, where the card drops them."""
    unlisted_dropped: int = 0
    """Rows of a label that is not in the card, where the card drops them; of several labels a row, such labels."""
    contradicting_texts: int = 0
    """Texts that stand with different labels."""
    duplicates_removed: dict[str, int] = field(default_factory=dict)
    """Training rows whose text occurs again, in training or outside."""
    split_rule: str = ""
    """How the splits were made."""
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Rows of each split and class."""
    majority_share: dict[str, float] = field(default_factory=dict)
    """Of the commonest class, by split."""
    without_label: dict[str, int] = field(default_factory=dict)
    """Rows of each split without a label, where rows have any number of labels."""
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    """min, max, mean and std of each split, where labels are numbers."""
