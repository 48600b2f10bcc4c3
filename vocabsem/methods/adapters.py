"""Adapters: small trainable parts inside a frozen model, as peft's: LoRA (Hu et al. 2022), (IA)³ (Liu et al. 2022)."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from vocabsem.families.causal import LanguageModel
from vocabsem.families.names import ModelFamily
from vocabsem.methods.info import Family, MethodAttributes

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel

__all__ = ["IA3", "AdapterTraining", "LoRA", "adapted", "as_stored"]


@dataclass(frozen=True, kw_only=True)
class AdapterTraining(MethodAttributes, ABC):
    """How an adapter is trained. A subclass defines the adapter by `peft_config`."""

    family: ClassVar[Family] = "adapters"
    trains: ClassVar[bool] = True
    models: ClassVar[tuple[ModelFamily, ...]] = ("causal",)
    positive: ClassVar[tuple[str, ...]] = (
        *("steps", "stops", "learning_rates", "batch_size", "validation_fraction", "max_validation_rows"),
        "max_grad_norm",
    )

    steps: int = 200
    """Steps of training at most; the learning rate would be zero after the last."""
    stops: int = 5
    """Points, even over the steps, where training may end."""
    learning_rates: Sequence[float]
    """Of which one is chosen; the middle one without data to choose by."""
    batch_size: int = 16
    """Prompts a step."""
    validation_fraction: float = 0.2
    """Share of the training rows that choose the learning rate and the end."""
    max_validation_rows: int = 256
    """But no more than these."""
    weight_decay: float = 0.0
    """Of AdamW."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm."""

    @abstractmethod
    def peft_config(self, model: LanguageModel) -> "PeftConfig":
        """Return peft's configuration of the adapter for a model.

        Parameters
        ----------
        model : LanguageModel
            Whose modules it adapts.

        Returns
        -------
        PeftConfig
        """


@dataclass(frozen=True, kw_only=True)
class LoRA(AdapterTraining):
    """x ↦ W x + α/r · B A x, A (r, d) random and B (d, r) zero at first (Hu et al. 2022).

    Parameters
    ----------
    steps : int, default=200
        Of training at most; the learning rate would be zero after the last.
    stops : int, default=5
        Points, even over the steps, where training may end.
    learning_rates : sequence of float, default=(3e-4, 1e-3, 3e-3)
        Of which one is chosen; the middle one without data to choose by.
    batch_size : int, default=16
        Prompts a step.
    validation_fraction : float, default=0.2
        Share of the training rows that choose the learning rate and the end.
    max_validation_rows : int, default=256
        But no more than these.
    weight_decay : float, default=0
        Of AdamW.
    max_grad_norm : float, default=1
        Gradients are scaled down to this norm.
    rank, alpha : int, default=8, 16
        r and α.
    """

    name: ClassVar[str] = "lora"
    positive: ClassVar[tuple[str, ...]] = (*AdapterTraining.positive, "rank", "alpha")

    learning_rates: Sequence[float] = (3e-4, 1e-3, 3e-3)
    rank: int = 8
    """r."""
    alpha: int = 16
    """α."""

    def peft_config(self, model: LanguageModel) -> "PeftConfig":
        """Return peft's configuration of the adapter for a model.

        Parameters
        ----------
        model : LanguageModel
            Whose modules it adapts.

        Returns
        -------
        PeftConfig
        """
        from peft import LoraConfig
        from peft.utils import constants

        known = constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
        modules = None if model.network.config.model_type in known else "all-linear"
        return LoraConfig(
            r=self.rank, lora_alpha=self.alpha, lora_dropout=0.0, target_modules=modules, **_common(model)
        )


@dataclass(frozen=True, kw_only=True)
class IA3(AdapterTraining):
    """Keys, values and the inner layer of each MLP times a learned vector, 1 at first (Liu et al. 2022).

    Parameters
    ----------
    steps : int, default=200
        Of training at most; the learning rate would be zero after the last.
    stops : int, default=5
        Points, even over the steps, where training may end.
    learning_rates : sequence of float, default=(3e-3, 1e-2, 3e-2)
        Of which one is chosen; the middle one without data to choose by.
    batch_size : int, default=16
        Prompts a step.
    validation_fraction : float, default=0.2
        Share of the training rows that choose the learning rate and the end.
    max_validation_rows : int, default=256
        But no more than these.
    weight_decay : float, default=0
        Of AdamW.
    max_grad_norm : float, default=1
        Gradients are scaled down to this norm.
    """

    name: ClassVar[str] = "ia3"

    learning_rates: Sequence[float] = (3e-3, 1e-2, 3e-2)

    def peft_config(self, model: LanguageModel) -> "PeftConfig":
        """Return peft's configuration of the adapter for a model.

        Parameters
        ----------
        model : LanguageModel
            Whose modules it adapts.

        Returns
        -------
        PeftConfig
        """
        from peft import IA3Config
        from peft.utils import constants

        if model.network.config.model_type in constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING:
            return IA3Config(**_common(model))
        return IA3Config(target_modules="all-linear", feedforward_modules=[], **_common(model))


def _common(model: LanguageModel) -> dict[str, Any]:
    from transformers.pytorch_utils import Conv1D

    transposed = any(isinstance(module, Conv1D) for module in model.network.modules())
    return {"task_type": "CAUSAL_LM", "fan_in_fan_out": transposed}


@contextmanager
def adapted(model: LanguageModel, training: AdapterTraining, random_state: int) -> Iterator["PeftModel"]:
    """Give the model a new float32 adapter, its only trainable parameters, and take it out again.

    A new adapter changes no output. Its modules are peft's choice for the architecture, else all linear ones but the
    head.

    Parameters
    ----------
    model : LanguageModel
        Changed within the block.
    training : AdapterTraining
        The adapter.
    random_state : int
        Draws LoRA's A.

    Yields
    ------
    PeftModel

    Examples
    --------
    >>> with adapted(model, LoRA(rank=4), random_state=0) as adapter:  # doctest: +SKIP
    ...     adapter.get_nb_trainable_parameters()
    (230400, 134745408)
    """
    import torch
    from peft import get_peft_model

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that is on its way out
        torch.default_generator.manual_seed(random_state)
        adapter = get_peft_model(model.network, training.peft_config(model))
    try:
        yield adapter
    finally:
        adapter.unload()


def as_stored(adapter: "PeftModel", name: str) -> "tuple[dict[str, Any], dict[str, Any]]":
    """Return weights as float32 arrays and the configuration as JSON, as peft saves them.

    Parameters
    ----------
    adapter : PeftModel
        Trained.
    name : str
        Stands for the base model.

    Returns
    -------
    tuple of dict

    Examples
    --------
    >>> with adapted(model, IA3(), random_state=0) as adapter:  # doctest: +SKIP
    ...     weights, config = as_stored(adapter, model.name)
    >>> config["peft_type"]  # doctest: +SKIP
    'IA3'
    """
    from peft import get_peft_model_state_dict

    config = adapter.peft_config["default"].to_dict() | {"base_model_name_or_path": name, "inference_mode": True}
    weights = {key: tensor.cpu().numpy() for key, tensor in get_peft_model_state_dict(adapter).items()}
    return weights, {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
