"""Pages of ours in a headless Chromium, where one is installed: what it asks for, what it says, how wide it is."""

import itertools
import re
import shutil
from contextlib import contextmanager

import pytest

from tests.flows.chromium import BROWSERS, browser

SCHEMES = {"light": (255, 255, 255), "dark": (18, 23, 28)}  # and the color of the paper in each
PHONE = 360
PHONE_HEAD = '<!doctype html><meta name="viewport" content="width=device-width, initial-scale=1">'
# Every text against what lies below it: [smallest contrast by WCAG 2, the text that has it].
CONTRAST = """(() => {
  const context = Object.assign(document.createElement('canvas'), {width: 1, height: 1})
    .getContext('2d', {willReadFrequently: true});
  const rgba = color => {
    context.clearRect(0, 0, 1, 1); context.fillStyle = color; context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = color => color.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const below = element => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return rgba(getComputedStyle(document.documentElement).getPropertyValue('--paper'));
  };
  let worst = [99, ''];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || ['STYLE', 'TITLE', 'title'].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(rgba(ink)), light(below(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst[0]) worst = [ratio, walk.currentNode.data];
  }
  return worst;
})()"""


@contextmanager
def tab():
    """A tab that notes every request and every message of the console; skips where no browser is."""
    if not any(map(shutil.which, BROWSERS)):
        pytest.skip("no Chromium on PATH")
    with browser() as page:
        page.requests = []
        hear = page._keep

        def listen(message):
            hear(message)
            if message.get("method") == "Network.requestWillBeSent":
                page.requests.append(message["params"]["request"]["url"])
            if message.get("method") in ("Runtime.consoleAPICalled", "Log.entryAdded"):
                page.errors.append(str(message["params"]))

        page._keep = listen
        page.call("Network.enable")
        yield page


def show(page, file, scheme="light", width=1200):
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
    page.open(file.as_uri())
    page.wait("document.readyState === 'complete' && document.querySelector('main')", file.name)


def check(page, file):
    """What every page of ours holds to: offline, quiet, no wider than a phone, readable in light and dark."""
    text = file.read_text()
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#|data:)""", text), "something would be fetched"
    assert "url(" not in text
    assert "<script" not in text
    for scheme, paper in SCHEMES.items():
        show(page, file, scheme, PHONE)
        assert page.js("document.documentElement.scrollWidth") <= PHONE
        color = page.js("getComputedStyle(document.body).backgroundColor")
        assert tuple(map(int, re.findall(r"\d+", color)))[:3] == paper
        ratio, worst = page.js(CONTRAST)
        assert ratio >= 4.5, f"{worst!r} has a contrast of {ratio:.2f} in {scheme}"
    levels = page.js("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), "headings in order"
    assert page.js("[...document.querySelectorAll('table')].every(t => t.caption && t.caption.textContent.trim())")
    assert page.js("[...document.querySelectorAll('th')].every(t => t.scope)")
    assert page.js("[...document.querySelectorAll('svg.chart')].every(s => s.getAttribute('aria-label'))")
    assert {url for url in page.requests if not url.startswith(("file:", "data:"))} == set()
    assert [url for url in page.requests if url.startswith("file:") and url != file.as_uri()] == []
    assert page.errors == []
