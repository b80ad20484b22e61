"""A headless Chromium that is told what to do, over a pipe, by the DevTools protocol.

Source: https://chromedevtools.github.io/devtools-protocol/ (``Page``, ``Runtime``, ``Emulation``,
``Input``, ``Log``); with ``--remote-debugging-pipe`` messages are JSON that end with a zero byte.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nhot.closing import Closing
from nhot.errors import MissingToolError, NhotError
from nhot.machine import BROWSERS

__all__ = ["Browser", "find_browser"]

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
    "--disable-component-update", "--disable-background-networking", "--disable-sync",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
    "--remote-debugging-pipe",
)
_SECONDS = 120.0

_AS_3_AND_4 = """
import fcntl, os, sys
free = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]]
for one, wanted in zip(free, (3, 4)):
    os.dup2(one, wanted)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_browser() -> str | None:
    """The program of a browser that can be told what to do, if there is one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


class Browser(Closing):
    """One page of a browser, as a context manager.

    Parameters
    ----------
    folder : path
        Which it keeps its own files in.

    Attributes
    ----------
    complaints : list of str
        What pages have logged as errors, and exceptions that nobody caught.
    requests : list of str
        Addresses that pages have loaded.
    """

    def __init__(self, folder: Path) -> None:
        program = find_browser()
        if program is None:
            raise MissingToolError("chromium must be installed: sudo apt-get install chromium")
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._number = 0
        self._rest = b""
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        self._process = _start(
            [program, *_FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"],
            to_browser, from_browser, folder,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._session = ""
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self._call(f"{domain}.enable")

    def open(self, address: str, *, width: int, height: int = 900, scale: float = 1) -> None:
        """Load a page in a window of that size, in pixels of CSS."""
        self.resize(width, height, scale)
        self._call("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def resize(self, width: int, height: int = 900, scale: float = 1) -> None:
        """Make the window as wide as a telephone or a screen."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                   deviceScaleFactor=scale, mobile=width < 600)

    def scheme(self, name: str) -> None:
        """``light`` or ``dark``."""
        self._call("Emulation.setEmulatedMedia",
                   features=[{"name": "prefers-color-scheme", "value": name}])

    def evaluate(self, expression: str) -> Any:
        """The value of JavaScript, awaited if it is a promise."""
        found = self._call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        if "exceptionDetails" in found:
            raise NhotError(f"JavaScript must not fail: {found['exceptionDetails']}")
        return found["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until JavaScript is true."""
        deadline = time.monotonic() + _SECONDS
        while not self.evaluate(expression):
            if time.monotonic() > deadline:
                raise NhotError(f"JavaScript must become true: {expression}")
            time.sleep(0.05)

    def draw(self, points: Sequence[tuple[float, float]]) -> None:
        """A stroke of the mouse, in pixels of the window."""
        for place, (x, y) in enumerate(points):
            kind = "mouseMoved" if place else "mousePressed"
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1,
                       clickCount=1)
        x, y = points[-1]
        self._call("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, button="left",
                   clickCount=1)

    def click(self, selector: str) -> None:
        """A click of the mouse on an element, as of a person: pages may ask for things then."""
        x, y = self.evaluate(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)}); "
            "one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect(); "
            "return [box.left + box.width / 2, box.top + box.height / 2]; })()")
        self.draw([(x, y)])

    def choose(self, selector: str, *files: Path) -> None:
        """Choose files in an input."""
        root = self._call("DOM.getDocument")["root"]["nodeId"]
        node = self._call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def picture(self) -> bytes:
        """The whole page as a PNG file."""
        data = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(data["data"])

    def close(self) -> None:
        """End the browser. Does nothing the second time."""
        if self._write >= 0:
            os.close(self._write)
            os.close(self._read)
            self._write = self._read = -1
        self._process.terminate()
        self._process.wait(30)

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": arguments}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data):]
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise NhotError(f"{method} must be understood: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._hear(answer)

    def _hear(self, event: dict[str, Any]) -> None:
        values = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(str(values["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if values["type"] in {"error", "warning"}:
                self.complaints.append(str(values["args"]))
            case "Log.entryAdded" if values["entry"]["level"] in {"error", "warning"}:
                self.complaints.append(f"{values['entry']['text']} {values['entry'].get('url')}")
            case "Network.requestWillBeSent":
                self.requests.append(values["request"]["url"])

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], _SECONDS)
            data = os.read(self._read, 1 << 20) if ready else b""
            if not data:
                raise NhotError("The browser must answer, but does not")
            self._rest += data
        text, self._rest = self._rest.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        return message


def _start(
    arguments: list[str], to_browser: int, from_browser: int, folder: Path
) -> subprocess.Popen[bytes]:
    """The browser, which reads from descriptor 3 and writes to descriptor 4."""
    return subprocess.Popen(
        [sys.executable, "-c", _AS_3_AND_4, str(to_browser), str(from_browser), *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        pass_fds=(to_browser, from_browser), env={**os.environ, "HOME": str(folder)},
    )
