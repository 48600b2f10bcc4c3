"""What of a data set's template the models of each family read."""

import string

from vocabsem.errors import CardError
from vocabsem.families.names import ModelFamily
from vocabsem.prompts.prompting import field_names
from vocabsem.prompts.truncation import MASK

__all__ = ["prompt_template"]


def prompt_template(template: str, family: ModelFamily) -> str:
    """Return the template that models of a family read.

    A causal model answers at its end, and so does a decoder. A masked model answers at `{mask}`, by default after its
    end. A sentence encoder reads the fields alone, a line each.

    Parameters
    ----------
    template : str
        As in a data set's card.
    family : {"causal", "masked", "encoder_decoder", "encoder"}
        Of the model.

    Returns
    -------
    str

    Raises
    ------
    CardError
        Where a model that is not masked would have to answer before the end.

    Examples
    --------
    >>> prompt_template("Review: {text} Sentiment:", "masked")
    'Review: {text} Sentiment: {mask}'
    >>> prompt_template("Review: {text} Sentiment: {mask}", "causal")
    'Review: {text} Sentiment:'
    >>> prompt_template("Review: {text} Sentiment:", "encoder")
    '{text}'
    """
    field = f"{{{MASK}}}"
    if family == "encoder":
        names = (name for _, name, _, _ in string.Formatter().parse(template))
        return "\n".join(f"{{{name}}}" for name in dict.fromkeys(names) if name not in (None, MASK))
    if MASK not in field_names(template):
        return f"{template} {field}" if family == "masked" else template
    if family != "masked":
        if not template.endswith(field):
            raise CardError(
                f"the template {template!r} has its {field} before the end, where a causal model cannot answer: end it"
                f" with {field}, or name a variant without it for models that are not masked"
            )
        return template.removesuffix(field).rstrip()
    return template
