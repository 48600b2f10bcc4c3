"""A tab of a headless Chromium over its DevTools protocol: what a page shows, requests and complains of."""

import contextlib
import itertools
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from websockets.sync.client import ClientConnection, connect

from scripts.screenshots import BROWSERS, OPTIONS, SIZE

LAID_OUT_TWICE = "ResizeObserver loop"  # the browser's own complaint, on a busy machine; no error of the page
TIMEOUT = 60.0  # seconds for a page to show what it should; MLflow's takes 5 on a quiet machine


@dataclass
class Page:
    """A tab of the browser."""

    socket: ClientConnection
    session: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """Addresses of all requests."""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(100))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "sessionId": self.session, "method": method, "params": parameters}))
        while (message := json.loads(self.socket.recv(timeout=TIMEOUT))).get("id") != number:
            self._keep(message)
        if "error" in message:
            raise SystemExit(f"{method}: {message['error']['message']}")
        return dict(message["result"])

    def _keep(self, message: dict[str, Any]) -> None:
        what = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            details = what["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif message.get("method") == "Runtime.consoleAPICalled" and what["type"] == "error":
            text = " ".join(str(word.get("value") or word.get("description")) for word in what["args"])
            if LAID_OUT_TWICE not in text:
                self.errors.append(text)
        elif message.get("method") == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])

    def js(self, expression: str) -> Any:
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return result["result"].get("value")

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def wait(self, condition: str, what: str) -> None:
        """Wait until the JavaScript condition holds."""
        deadline = time.monotonic() + TIMEOUT
        while not self.js(f"Boolean({condition})"):
            if time.monotonic() > deadline:
                raise SystemExit(f"{what} is not shown after {TIMEOUT:g} s: {self.js('location.href')}")
            time.sleep(0.25)

    def resize(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)


@contextlib.contextmanager
def browser(*options: str) -> Iterator[Page]:
    """Yield a tab of a new browser with a profile of its own, which is removed afterwards."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise SystemExit(f"no browser is installed: looked for {', '.join(BROWSERS)}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            program,
            *OPTIONS,
            *options,
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            f"--window-size={SIZE[0]},{SIZE[1]}",
        ]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None
                address = next(filter(None, (re.search(r"ws://\S+", line) for line in process.stderr)), None)
                if address is None:
                    raise SystemExit(f"{program} did not start")
                with connect(address.group(), proxy=None, max_size=None, ping_interval=None) as socket:
                    yield _tab(socket)
            finally:
                process.terminate()


def _tab(socket: ClientConnection) -> Page:
    def call(number: int, method: str, **parameters: Any) -> dict[str, Any]:
        socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (message := json.loads(socket.recv(timeout=TIMEOUT))).get("id") != number:
            pass
        return dict(message["result"])

    target = call(1, "Target.createTarget", url="about:blank")["targetId"]
    page = Page(socket, call(2, "Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
    for domain in ("Page", "Runtime", "Network"):
        page.call(f"{domain}.enable")
    page.resize(*SIZE)
    return page
