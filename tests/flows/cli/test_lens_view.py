"""The lens as people see it: in a terminal, as JSON, and as a page in a browser."""

import json
from dataclasses import replace

import pytest
from rich.console import Console

from flows.cli.lens_view import html, legend, shown, terminal, words_shown
from tasks.views.lens import LensResult
from tests.flows.browser import check, tab
from tests.flows.command import command

pytestmark = pytest.mark.medium

HOSTILE = "<script>alert(1)</script>[bold]\x1b[31m"


def word(name, cosine, rank, centered=0.1):
    own = {"log_probability": -2.0 - rank / 100, "log_probability_rank": rank}
    return {"word": name, "cosine": cosine, "cosine_rank": rank, "centered": centered, "centered_rank": rank, **own}


def made(words, layers=3, centered_on=64):
    tokens = [{"token": HOSTILE, "cosine": 0.5}, {"token": " good", "cosine": 0.25}]
    output = [{"token": HOSTILE, "probability": 0.5}, {"token": "\n", "probability": 0.25}]
    rows = [{"layer": n, "nearest": tokens, "model": output, "words": words} for n in range(layers)]
    return LensResult("m", HOSTILE, HOSTILE, [w["word"] for w in words], centered_on, False, 1000, 10, False, rows)


def printed(seen):
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        console.print(terminal(seen))
    return capture.get()


def test_tokens_are_harmless_and_a_leading_space_is_seen():
    assert shown(" good") == "·good"
    assert shown("\x1b[31m\n") == "\\x1b[31m\\n"
    assert shown(" ") == "·"


def test_the_terminal_has_a_row_a_layer_with_cosines_places_and_probabilities():
    lines = [
        line
        for line in printed(made([word("bad", 0.25, 7), word("good", -0.5, 999, None)])).splitlines()
        if line.strip()
    ]
    assert [line.split()[0] for line in lines[-3:]] == ["0", "1", "2"]
    assert "0.25 #7 +0.10" in lines[-1]
    assert "-0.50 #999 " in lines[-1]
    assert f"{100 * 2.718281828**-2.07:.1f}% #7" in lines[-1]
    assert "\x1b" not in "".join(lines)
    assert "[bold]\\x1b[31m" in "".join(lines), "a token is no markup, and no command to the terminal"


def test_of_many_words_the_closest_to_the_last_state_are_shown_in_their_order():
    seen = made([word(f"w{n}", n / 100, 50, centered=-n) for n in range(20)])
    assert words_shown(seen, "terminal") == [0, 1, 2], "centered similarity decides where there is one"
    assert words_shown(replace(seen, centered_on=0), "page") == list(range(12, 20))
    assert "12 words further from" in html(seen)


def test_it_says_what_it_was_made_of():
    seen = made([word("bad", 0.1, 3)])
    assert "without the mean state of 64 training texts" in legend(seen)
    assert "mean" not in legend(replace(seen, centered_on=0))
    assert "solved and stored" in legend(replace(seen, solved=True))


def test_the_page_escapes_what_it_shows_and_is_readable(tmp_path):
    path = tmp_path / "lens.html"
    path.write_text(html(made([word("bad", 0.25, 1), word(HOSTILE, -0.5, 1000, None)])))
    assert "\x1b" not in path.read_text().replace(HOSTILE.replace("<", "&lt;").replace(">", "&gt;"), "")
    with tab() as browser:
        check(browser, path)
        shares = browser.js(
            "[...document.querySelectorAll('td.heat')].map(c => +getComputedStyle(c).getPropertyValue('--share'))"
        )
    assert shares[:2] == [1, 0], "the first place is the darkest, the last is paper"
    assert all(0 <= share <= 1 for share in shares)


def test_the_command_prints_a_table_json_and_a_page(ran, tmp_path):
    world, _ = ran
    words = ("lens", "a great film", "--model", world.folder / "model.yaml", "--dataset", world.folder / "dataset.yaml")
    table = command(world.home, *words)
    assert table.returncode == 0, table.stderr
    assert "P(positive)" in table.stdout
    assert "without the mean state of 60 training texts" in table.stdout
    page = command(world.home, *words, "--no-center", "-k", "2", "--output", tmp_path / "new" / "lens.html")
    assert page.stdout == f"{tmp_path / 'new' / 'lens.html'}\n", page.stderr
    assert "mean state" not in (tmp_path / "new" / "lens.html").read_text()


def test_scripts_are_given_every_layer_word_and_token(ran, capsys):
    from flows.cli.models import lens

    world, _ = ran
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOCABSEM_HOME", str(world.home.root))
        cards = {"model": str(world.folder / "model.yaml"), "dataset": str(world.folder / "dataset.yaml")}
        lens("a great film", **cards, example=None, center=True, k=2, output=None, form="json", data_dir=None)
    result = json.loads(capsys.readouterr().out)
    assert [len(layer["nearest"]) for layer in result["layers"]] == [2] * 4
    assert [word["word"] for word in result["layers"][0]["words"]] == ["bad", "positive", "story"]


@pytest.mark.parametrize(
    ("words", "output"),
    [
        ([], "give a text, or --dataset with --example"),
        (["--example", "test-1"], "give a text, or"),
        (["text", "--format", "csv"], "'csv' is not a format of lens"),
        (["text", "--model", "MODEL", "--output", "/proc"], "/proc is a folder"),
        (["text", "--model", "MODEL", "--output", "/proc/lens.html"], "cannot write /proc/lens.html: No such file"),
    ],
)
def test_wrong_words_are_reported_at_once(ran, words, output):
    world, _ = ran
    done = command(world.home, "lens", *(world.folder / "model.yaml" if word == "MODEL" else word for word in words))
    assert done.returncode == 2
    assert output in done.stderr
