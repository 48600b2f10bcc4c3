"""The families by name."""

from collections.abc import Mapping

from vocabsem.families.base import FrozenModel
from vocabsem.families.causal import LanguageModel
from vocabsem.families.encoder import EncoderModel
from vocabsem.families.encoder_decoder import EncoderDecoderModel
from vocabsem.families.masked import MaskedModel
from vocabsem.families.names import ModelFamily

__all__ = ["FAMILIES"]

FAMILIES: Mapping[ModelFamily, type[FrozenModel]] = {
    kind.family: kind for kind in (LanguageModel, MaskedModel, EncoderDecoderModel, EncoderModel)
}
