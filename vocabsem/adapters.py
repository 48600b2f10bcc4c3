"""Small trainable parts in a frozen model, by peft: LoRA (Hu et al. 2022) and (IA)³ (Liu et al. 2022)."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from vocabsem.language_model import LanguageModel

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel

Kind = Literal["lora", "ia3"]
RANK, ALPHA = 8, 16  # of LoRA: x ↦ W x + α/r · B A x, A (r, d) random and B (d, r) zero at first


@contextmanager
def adapted(model: LanguageModel, kind: Kind, seed: int) -> Iterator["PeftModel"]:
    """The model with a new float32 adapter inside, its only trainable parameters; taken out again however it ends.

    A new adapter changes no output. Its modules are peft's choice for the architecture, else all linear ones but the
    head; where the seed matters it draws LoRA's A.
    """
    import torch
    from peft import get_peft_model

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that is on its way out
        torch.default_generator.manual_seed(seed)
        adapter = get_peft_model(model.network, _config(model, kind))
    try:
        yield adapter
    finally:
        adapter.unload()


def as_stored(adapter: "PeftModel", name: str) -> "tuple[dict[str, Any], dict[str, Any]]":
    """Weights as float32 arrays and configuration as JSON, as peft saves them; `name` stands for the base model."""
    from peft import get_peft_model_state_dict

    config = adapter.peft_config["default"].to_dict() | {"base_model_name_or_path": name, "inference_mode": True}
    weights = {key: tensor.cpu().numpy() for key, tensor in get_peft_model_state_dict(adapter).items()}
    return weights, {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}


def _config(model: LanguageModel, kind: Kind) -> "PeftConfig":
    from peft import IA3Config, LoraConfig
    from peft.utils import constants
    from transformers.pytorch_utils import Conv1D

    family = model.network.config.model_type
    common: dict[str, Any] = {
        "task_type": "CAUSAL_LM",
        "fan_in_fan_out": any(isinstance(module, Conv1D) for module in model.network.modules()),
    }
    if kind == "lora":
        modules = None if family in constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING else "all-linear"
        return LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=modules, **common)
    if family not in constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING:
        common |= {"target_modules": "all-linear", "feedforward_modules": []}
    return IA3Config(**common)
