"""Trees of functions against the source that Python gives of each node, and back from heights and labels."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabsem.errors import DataError
from vocabsem.instruments.python_functions import read_functions
from vocabsem.instruments.syntax_trees import NONE, brackets, constituents, parse_function

FUNCTION = """def add(self, a, b=1):
    if a and not self.open:
        raise ValueError("closed", a[1:])
    return [each.name for each in (a, b)]"""


@pytest.fixture(scope="module")
def library():
    """Functions of a package of the standard library."""
    return read_functions(Path(json.__file__).parent)


def text(tree, first, stop):
    return tree.source[tree.leaves[first][0] : tree.leaves[stop - 1][1]]


def test_leaves_are_the_tokens_of_python():
    tree = parse_function("def f(a, b):\n    return a[b:] ** -1.5  + g(*b)")
    assert " ".join(tree.words) == "def f ( a , b ) : return a [ b : ] ** - 1.5 + g ( * b )"
    assert [tree.alone[at] for at in (3, 9, 16)] == ["arg", "Name", "Constant"]
    assert tree.alone[0] == NONE


def test_every_node_of_a_function_has_its_source(library):
    for tree in [parse_function(FUNCTION), *library]:
        nodes = [node for node in ast.walk(ast.parse(tree.source)) if hasattr(node, "end_lineno")]
        given = {(ast.get_source_segment(tree.source, node), type(node).__name__) for node in nodes}
        read = {(text(tree, first, stop), label) for first, stop, chain in tree.spans for label in chain.split("+")}
        alone = zip(tree.words, tree.alone, strict=True)
        read |= {(word, label) for word, chain in alone if chain != NONE for label in chain.split("+")}
        assert read <= given
        whole = {pair for pair in given if pair[0] != tree.source}
        assert whole <= read, whole - read


def test_a_tree_comes_back_from_its_heights_and_labels(library):
    assert len(library) > 5
    for tree in library:
        assert constituents(tree.heights, tree.gaps) == tree.spans
        every = {node[:2] for node in brackets(tree.heights)}
        assert len(every) == len(tree.leaves) - 1
        assert {node[:2] for node in tree.spans} <= every


def test_a_height_is_that_of_the_lowest_node_above_both_leaves():
    tree = parse_function(FUNCTION)
    nodes = [(leaf, leaf + 1) for leaf in range(len(tree.leaves))]
    nodes += [node[:2] for node in brackets(tree.heights)]

    def height(node):
        inside = [each for each in nodes if node[0] <= each[0] and each[1] <= node[1] and each != node]
        return 0 if not inside else 1 + max(map(height, [max(inside, key=lambda at: at[1] - at[0])]))

    for gap, of in enumerate(tree.heights):
        lowest = min((node for node in nodes if node[0] <= gap and node[1] > gap + 1), key=lambda at: at[1] - at[0])
        assert of == height(lowest)


@given(st.permutations(range(9)))
def test_the_largest_gap_of_a_node_parts_it(heights):
    nodes = {node[:2]: node[2] for node in brackets(heights)}
    assert set(nodes.values()) == set(range(9))
    for (first, stop), gap in nodes.items():
        assert heights[gap] == max(heights[first : stop - 1])
        for part in ((first, gap + 1), (gap + 1, stop)):
            assert part in nodes or part[1] - part[0] == 1


@pytest.mark.parametrize(
    "source",
    [
        "def f(a):\n    # why\n    return a + a",
        "def f(): pass",
        "def f(a:\n    return a + a",
        "x = 1; y = 2; z = 3",
    ],
)
def test_what_has_no_tree(source):
    assert parse_function(source) is None


def test_functions_are_read_once_without_docstrings_comments_and_others_inside(tmp_path):
    whole = "def kept(a, b):\n    return a + b"
    (tmp_path / "a.py").write_text(
        f"{whole}\n\n\nclass A:\n    def method(self, a):\n        return a + 1\n\n"
        '    def described(self, a):\n        """Return a."""\n        return a + 1\n\n'
        "    def noted(self, a):\n        # a\n        return a + 1\n\n"
        "    def outer(self, a):\n        def inner(b, c):\n            return a + b\n        return inner\n\n"
        '    def spelled(self, a):\n        return f"{a} and {a}"\n\n'
        "    @property\n    def decorated(self, a):\n        return a * 3\n"
    )
    (tmp_path / "b.py").write_text(f"{whole}\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "other.py").write_bytes("def f(a, b):\n    return a + 'ä'\n".encode())
    (tmp_path / "c.txt").write_text("def text(a, b):\n    return a * b\n")
    names = [tree.words[1] for tree in read_functions(tmp_path)]
    assert sorted(names) == ["decorated", "inner", "kept", "method"]
    assert read_functions(tmp_path / "b.py")[0].source == whole
    inner = next(tree for tree in read_functions(tmp_path) if tree.words[1] == "inner")
    assert inner.source == "def inner(b, c):\n    return a + b"
    folder = tmp_path / "none"
    folder.mkdir()
    (folder / "broken.py").write_text("def f(:\n")
    with pytest.raises(DataError, match="has no functions of Python that can be read: name a folder"):
        read_functions(folder)


def test_heights_are_of_every_gap(library):
    for tree in library:
        assert len(tree.heights) == len(tree.gaps) == len(tree.leaves) - 1
        assert tree.heights.min() == 1
        assert np.all(tree.heights < len(tree.leaves))


def test_a_form_feed_is_no_end_of_a_line(tmp_path):
    function = "def add(x, y):\n    z = x + y\n    return z\n"
    (tmp_path / "a.py").write_text(f"x = 1\n\f\n{function}")
    (tree,) = read_functions(tmp_path / "a.py")
    assert tree.source == read_functions_of(function, tmp_path)


def read_functions_of(text, folder):
    """The source of the only function of a file."""
    (folder / "plain.py").write_text(text)
    (tree,) = read_functions(folder / "plain.py")
    return tree.source
