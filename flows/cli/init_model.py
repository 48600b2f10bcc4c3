"""The command that writes the card of a model."""

import re
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import app
from flows.cli.card_files import check_output, write_card
from vocabsem.errors import CardError
from warehouse.home import Home

NOTE = "# Written by vocabsem init-model: add license and citation.\n"
CHAT = (
    "# The tokenizer has a chat template: with true, a prompt is a user's turn, which the model answers.\nchat: false\n"
)


@app.command()
def init_model(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="hf:org/name[@revision], a folder of safetensors, or a .gguf file."),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the model, by default that of the repository, folder or file.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Card to write, by default models/NAME.yaml among your cards."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing card.")] = False,
) -> None:
    """Write the card of a model: its family, its sizes, and how its prompts start, from the model itself."""
    import yaml

    from vocabsem.cards.folders import own_folder
    from vocabsem.cards.schema import ModelCard
    from vocabsem.models.model_draft import draft_model_card, model_source

    if name is not None and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
        raise CardError(f"--name {name!r}: use only letters, digits and . _ -, as in my-model-2b")
    location = model_source(source)
    if location is None:
        raise CardError(f"{source!r} names a card: give hf:org/name, the path of a folder, or a .gguf file")
    if output or name:
        check_output(output or own_folder() / "models" / f"{name}.yaml", force)
    typer.echo(f"{source}: fetching and loading the model", err=True)
    draft = draft_model_card(location, Home.find().cache, name)
    card = draft.card
    output = output or own_folder() / "models" / f"{card.name}.yaml"
    check_output(output, force)
    decided = "prepend_bos" if card.family == "causal" else "family"
    values = card.model_dump(exclude_none=True, exclude={"prepend_bos", "family", "chat"} - {decided})
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)
    text = text.replace(f"{decided}:", f"# {draft.reason}\n{decided}:")
    if draft.has_chat_template:
        text = text.replace("max_tokens:", f"{CHAT}max_tokens:")
    write_card(output, "models", ModelCard, NOTE + text)
    typer.echo(f"{card.description}\n{card.parameters:,} parameters, states of {card.hidden_size} dimensions")
    typer.echo(f"{decided}: {str(values[decided]).lower()}: {draft.reason}")
    known = card.name if output.parent == own_folder() / "models" else output
    experiment = re.sub(r"[^a-z0-9_-]", "_", card.name.lower())
    typer.echo(f"\nwritten: {output}\nnext:    vocabsem run quickstart --name {experiment} --set 'models=[{known}]'")
