"""Read YAML text: plain values only, of bounded size, so that no file takes long or much memory."""

from datetime import date
from typing import Any, ClassVar

import yaml

from vocabsem.errors import CardError

__all__ = ["LONGEST", "MOST_DEPTH", "read_yaml_text"]

LONGEST = 500_000  # text
MOST_NODES = 20_000  # aliases written out
MOST_DEPTH = 50
TAGS = {"None", "null", "bool", "int", "float", "str", "seq", "map", "timestamp"}
LONGEST_NUMBER = 60  # as text
LARGEST = 2**63 - 1  # that Parquet and DuckDB hold


class _Loader(yaml.SafeLoader):
    """A safe loader of values that JSON holds; an alias counts as its content, a duplicate key is an error."""

    yaml_constructors: ClassVar = {
        tag: build for tag, build in yaml.SafeLoader.yaml_constructors.items() if str(tag).rpartition(":")[2] in TAGS
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.nodes = self.depth = 0
        self.sizes: dict[yaml.Node | None, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        before, self.depth = self.nodes, self.depth + 1
        if self.depth > MOST_DEPTH:
            raise _error(f"values are nested more than {MOST_DEPTH} deep", event)
        node = super().compose_node(parent, index)
        if isinstance(event, yaml.AliasEvent) and node not in self.sizes:
            raise _error(f"the alias {event.anchor!r} stands inside the value that it names: write the value", event)
        self.nodes += self.sizes.get(node, 1)
        if self.nodes > MOST_NODES:
            raise _error(f"more than {MOST_NODES:,} values, with aliases written out: remove some", event)
        self.depth -= 1
        self.sizes.setdefault(node, self.nodes - before)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        number = isinstance(node, yaml.ScalarNode) and node.tag.endswith((":int", ":float"))
        if number and len(node.value) > LONGEST_NUMBER:
            raise _error(f"the number {node.value!r} is too long", node)
        try:
            value = super().construct_object(node, deep=True)
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
            what = f"{node.value!r} is no {node.tag.rpartition(':')[2]}"
            raise _error(f"{what}: write it in quotes if it is text", node) from error
        if isinstance(value, date):
            return node.value
        if isinstance(value, str) and (wrong := self.NON_PRINTABLE.search(value)):
            raise _error(f"the control character U+{ord(wrong[0]):04X} is no text: remove it", node)
        if isinstance(value, int | float) and not abs(value) <= LARGEST:  # or not a number
            raise _error(f"the number {node.value!r} is out of range: give one of at most {LARGEST}", node)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: dict[str, yaml.Node] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node)
            if not isinstance(key, str):
                raise _error(f"the key {key!r} is no text: write it in quotes", key_node)
            if key in keys:
                raise _error(f"key {key!r} is given twice", keys[key])
            keys[key] = key_node
        return super().construct_mapping(node, deep=True)


def _error(problem: str, at: Any) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, at.start_mark)


def read_yaml_text(text: str, where: str) -> tuple[Any, yaml.Node | None]:
    """Return the value that YAML text describes, and its tree with the lines.

    Parameters
    ----------
    text : str
        The text.
    where : str
        What holds it, for messages.

    Returns
    -------
    value : None, bool, int, float, str, list or dict
        Made of these types only; a date stays text.
    node : yaml.Node or None
        The root of the tree, None for empty text.

    Raises
    ------
    CardError
        With the line.
    """
    if len(text) > LONGEST:
        raise CardError(f"{where} is longer than {LONGEST:,} characters: is it the right file?")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return (None if node is None else loader.construct_document(node)), node
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CardError(f"{where}:{line}: {error.problem}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise CardError(
            f"{where}:{line}: the control character U+{error.character:04X} is no text: remove it"
        ) from None
