"""A partition's key: the SHA-256 of the canonical JSON of all that determines its content."""

import hashlib
import json
import math
import re
from collections.abc import Mapping

from warehouse.errors import InvalidName

KEY_LENGTH = 64
SHORT_LENGTH = 12

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]*")
_MAX_NAME = 120  # file systems allow 255 bytes; `method=` and a temporary's suffix need some of them


def canonical(payload: object) -> str:
    """Return JSON with sorted keys and no spaces: equal payloads, whatever their order, give equal text.

    Tuples read as lists. Raises InvalidName, with the place, for what JSON cannot hold faithfully: NaN, infinities,
    keys that are not strings, lone surrogates, and any other type (a path, a numpy number).
    """
    _check(payload, "payload")
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def partition_key(payload: Mapping[str, object]) -> str:
    """Return the 64 hex digits that name the content determined by `payload`."""
    return hashlib.sha256(canonical(payload).encode()).hexdigest()


def short(key: str) -> str:
    """Return the digits of a key that a folder's name carries."""
    return key[:SHORT_LENGTH]


def checked_key(key: str) -> str:
    """Return `key`, if it is 64 lower-case hex digits."""
    if not re.fullmatch(r"[0-9a-f]{64}", key):
        raise InvalidName(f"{key!r} is no partition key: expected {KEY_LENGTH} lower-case hex digits")
    return key


def checked_name(name: str, what: str) -> str:
    """Return `name`, if it may be part of a path: letters, digits and `. _ + @ -`, beginning with a letter or digit."""
    if len(name) > _MAX_NAME or ".." in name or not _NAME.fullmatch(name):
        raise InvalidName(
            f"{name[:200]!r} cannot be a {what}: use at most {_MAX_NAME} letters, digits and . _ + @ -, "
            "beginning with a letter or digit and without '..'"
        )
    return name


def _check(value: object, where: str) -> None:
    if isinstance(value, Mapping):
        if not isinstance(value, dict):
            raise InvalidName(f"{where} holds a {type(value).__name__}, which JSON cannot hold: give a dict")
        for key, inner in value.items():
            if not isinstance(key, str):
                raise InvalidName(f"{where} has the key {key!r}: JSON's keys are strings")
            _check(key, f"{where}'s key {key!r}")
            _check(inner, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _check(inner, f"{where}[{index}]")
    elif isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise InvalidName(f"{where} holds {value!r}, which is no valid Unicode text")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidName(f"{where} is {value}, which JSON cannot hold: give a finite number or null")
    elif value is not None and not isinstance(value, bool | int):
        raise InvalidName(f"{where} holds a {type(value).__name__}, which JSON cannot hold: {value!r}")
