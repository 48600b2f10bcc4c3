"""A path holds what it held, or all of what was written; nothing stays beside it."""

import pytest

from vocabsem.runtime.atomic import remove, replaced


def test_a_file_takes_the_place_of_another_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "card.json"
    for text in ("first", "second"):
        with replaced(path) as temporary:
            temporary.write_text(text)
            assert path.exists() == (text == "second")
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_appears_whole(tmp_path):
    with replaced(tmp_path / "model") as folder:
        folder.mkdir()
        (folder / "weights").write_bytes(b"1")
        assert not (tmp_path / "model").exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "weights"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("folder", [False, True])
def test_whatever_is_raised_leaves_all_as_it_was(tmp_path, error, folder):
    path = tmp_path / "card.json"
    path.write_text("before")

    def interrupted():
        with replaced(path) as temporary:
            temporary.mkdir() if folder else temporary.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "before"


def test_a_link_is_removed_and_not_what_it_names(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    remove(tmp_path / "link")
    remove(tmp_path / "none")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
