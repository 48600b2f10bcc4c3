"""The JSON Schemas of the kinds of cards, in data/schemas/, and the tables of docs/cards.md.

Editors that read the first line of a card (`# yaml-language-server: $schema=…`) complete its keys and mark mistakes.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from flows.planning.experiment import Experiment
from flows.planning.study_card import StudyCard
from vocabsem.cards.folders import SINGULAR
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.instruments.registry import study_infos
from vocabsem.methods.info import MethodInfo
from vocabsem.methods.registry import method_infos

DATA = Path(__file__).parents[1] / "data"
CARDS: Mapping[str, type[BaseModel]] = {
    "models": ModelCard,
    "datasets": DatasetCard,
    "experiments": Experiment,
    "studies": StudyCard,
}
FITTED_ON = {"states": "stored states", "adapters": "prompts, inside the model", "texts": "texts"}
JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


class _Untitled(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def card_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of the cards in data/<kind>."""
    schema = CARDS[kind].model_json_schema(schema_generator=_Untitled)
    schema = {"$schema": _Untitled.schema_dialect, **schema}
    if kind == "models":
        others = {"properties": {"family": {"enum": ["masked", "encoder_decoder", "encoder"]}}, "required": ["family"]}
        schema |= {"if": others, "else": {"required": ["prepend_bos"]}}
    if kind == "experiments":
        for named in ("models", "datasets"):
            known = sorted(path.stem for path in (DATA / named).glob("*.yaml"))
            schema["properties"][named]["items"] = _one_of(known)
        spec = schema["$defs"]["MethodSpec"]
        spec["properties"]["method"] |= _one_of(sorted(method_infos()))
        spec["allOf"] = [_params_schema(info) for info in method_infos().values()]
        methods = schema["properties"]["methods"]
        methods["items"] = {"anyOf": [spec["properties"]["method"], {"$ref": "#/$defs/MethodSpec"}]}
    if kind == "studies":
        schema["properties"]["study"] |= {"enum": list(study_infos())}
    return schema


def _one_of(known: list[str]) -> dict[str, Any]:
    """Return the type of a name that editors complete, and that may be another: a path, a variant, an extension."""
    return {"anyOf": [{"enum": known}, {"type": "string"}]}


def _params_schema(info: MethodInfo) -> dict[str, Any]:
    properties = {name: _param_schema(info, name) for name in info.params}
    params = {"properties": properties, "additionalProperties": False}
    return {
        "if": {"properties": {"method": {"const": info.name}}, "required": ["method"]},
        "then": {"properties": {"params": params}},
    }


def _param_schema(info: MethodInfo, name: str) -> dict[str, Any]:
    default = info.params[name]
    several = isinstance(default, tuple)
    kind = type(default[0]) if several else type(default)
    value: dict[str, Any] = {"type": JSON_TYPES[kind]}
    if name in info.choices:
        value["enum"] = list(info.choices[name])
    if kind in (int, float):
        value |= {"exclusiveMinimum" if name in info.positive else "minimum": 0}
    if several:
        return {"type": "array", "minItems": 1, "items": value, "default": list(default)}
    return value | {"default": default}


def schema_files() -> dict[Path, str]:
    """The text of each file in data/schemas."""
    return {
        DATA / "schemas" / f"{kind}.json": json.dumps(card_schema(kind), indent=1, ensure_ascii=False) + "\n"
        for kind in CARDS
    }


def card_tables() -> str:
    """The keys of each kind of card, as docs/cards.md has them."""
    return "\n".join(
        [*(line for kind in CARDS for line in _card_lines(kind)), "## Methods\n", *_method_lines()],
    )


def _card_lines(kind: str) -> Iterator[str]:
    schema = card_schema(kind)
    yield f"## {SINGULAR[kind].capitalize()} cards: `data/{kind}/`\n\n{schema['description']}\n"
    yield from _key_lines(schema)
    for name, inner in schema.get("$defs", {}).items():
        yield f"### {name}\n\n{inner['description']}\n"
        yield from _key_lines(inner)


def _key_lines(schema: Mapping[str, Any]) -> Iterator[str]:
    required = schema.get("required", [])
    yield "| key | value | default | |\n|---|---|---|---|"
    for key, field in schema["properties"].items():
        default = "**required**" if key in required else f"`{json.dumps(field.get('default'))}`"
        default = "" if field.get("default", ...) in ("", None, ...) and key not in required else default
        meaning = field.get("description", "").replace("|", "\\|").replace("\n", " ")
        yield f"| `{key}` | {_value(field)} | {default} | {meaning} |"
    yield ""


def _value(field: Mapping[str, Any]) -> str:
    """Return in words what a key takes."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if options := field.get("anyOf"):
        if {"type": "string"} in options and any("enum" in each for each in options):
            return "name"
        return " or ".join(dict.fromkeys(_value(each) for each in options if each.get("type") != "null"))
    if "enum" in field or "const" in field:
        values = field.get("enum", [field.get("const")])
        return ", ".join(f"`{value}`" for value in values)
    if field["type"] == "array":
        return f"list of {_value(field['items'])}"
    if field["type"] == "object":
        inner = field.get("additionalProperties") or next(iter(field.get("patternProperties", {}).values()), None)
        return f"mapping to {_value(inner)}" if isinstance(inner, dict) else "mapping"
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = " and ".join(f"{sign} {field[bound]}" for bound, sign in bounds.items() if bound in field)
    return f"{field['type']} {limits}".strip()


def _method_lines() -> Iterator[str]:
    yield "| method | | fitted on | parameters with their defaults |\n|---|---|---|---|"
    for info in method_infos().values():
        params = ", ".join(f"`{name}: {_shown(value)}`" for name, value in info.params.items()) or "none"
        yield f"| `{info.name}` | {info.summary} | {FITTED_ON[info.family]} | {params} |"
    yield ""


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value).strip('"')
