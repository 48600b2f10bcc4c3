"""SHA-256 of sources, by cards and by what was fetched; nothing is fetched for them."""

from vocabsem.cards.schema import DatasetCard
from vocabsem.sources import fetching
from warehouse.home import Home

UNKNOWN_DIGEST = "0" * 64  # in place of that of a model which was never fetched


def source_hashes(card: DatasetCard, home: Home) -> dict[str, str | None]:
    """SHA-256 of every source by split; None for one that was never fetched and has no hash in its card."""
    return {split: card.sha256.get(split) or cached_hash(source, home) for split, source in card.files.items()}


def cached_hash(source: str, home: Home) -> str | None:
    """SHA-256 of what was fetched of a source; None for one that never was."""
    fetched = fetching.cached(source, home.cache)
    return fetched.sha256 if fetched else None
