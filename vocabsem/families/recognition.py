"""Recognize the family of a checkpoint by its configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vocabsem.families.names import ModelFamily

__all__ = ["MODULES", "known_model_types", "recognize_family"]

ENCODER_DECODERS = {"t5", "mt5", "umt5", "bart", "mbart", "pegasus", "marian", "blenderbot", "m2m_100"}

MODULES = "modules.json"  # of sentence-transformers: what follows the network


def recognize_family(config: Mapping[str, Any], folder: Path) -> ModelFamily:
    """Return the family of a checkpoint.

    Its architecture decides. Where none is named, or a base one, types that have an encoder and a decoder are of this
    family; models that transformers has with a mask are sentence encoders with a `modules.json` or a base architecture,
    and masked otherwise; all others are causal.

    Parameters
    ----------
    config : mapping
        Its config.json; empty for a GGUF file.
    folder : Path
        Where it lies.

    Returns
    -------
    {"causal", "masked", "encoder_decoder", "encoder"}

    Examples
    --------
    >>> recognize_family({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, Path("bert"))
    'masked'
    """
    from transformers.models.auto import modeling_auto

    kind, named = str(config.get("model_type")), config.get("architectures")
    names = {str(name) for name in named} if isinstance(named, list) else set()
    base, causal, masked = (
        dict[str, Any](getattr(modeling_auto, f"MODEL_{what}MAPPING_NAMES")).get(kind)
        for what in ("", "FOR_CAUSAL_LM_", "FOR_MASKED_LM_")
    )
    if kind in ENCODER_DECODERS:
        return "causal" if causal in names else "encoder_decoder"
    if masked is None:
        return "causal"
    if (folder / MODULES).is_file():
        return "encoder"
    if masked in names or not names & {base, causal}:
        return "masked"
    return "causal" if causal in names else "encoder"


def known_model_types() -> set[str]:
    """Return the types of which a causal, masked or encoder–decoder language model is read.

    Returns
    -------
    set of str
    """
    from transformers.models.auto import modeling_auto

    masked = modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return {*modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, *masked, *ENCODER_DECODERS}
