"""A hook of MkDocs: formulas become MathML when the site is built, so that pages load no script from elsewhere."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(content: str, **_: Any) -> str:
    """Return the page with every formula as MathML."""
    return FORMULA.sub(_mathml, content)


def _mathml(match: re.Match[str]) -> str:
    tag, bracket, formula = match.groups()
    display = "block" if bracket == "[" else "inline"
    return f'<{tag} class="math">{convert(html.unescape(formula), display=display)}</{tag}>'
