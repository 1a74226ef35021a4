"""Chromium without a window, driven by its own WebDriver: https://www.w3.org/TR/webdriver2/."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


class Browser:
    """A session: commands go to it as JSON, logs of the page's console and network come back."""

    def __init__(self, address: str, profile: Path) -> None:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        options = {
            "binary": CHROMIUM,
            "args": [
                "--headless=new", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}", *sandbox
            ],
        }  # fmt: skip
        capabilities = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        self.session = f"{address}/session"
        created = self._send("", {"capabilities": {"alwaysMatch": capabilities}})
        self.session = f"{address}/session/{created['sessionId']}"

    def _send(self, command: str, body: Any = None, method: str | None = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.session + command, content, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)["value"]

    def close(self) -> None:
        self._send("", method="DELETE")

    def open(self, page: Path) -> None:
        self._send("/url", {"url": page.as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a function in the page and give what it returns."""
        return self._send("/execute/sync", {"script": script, "args": list(arguments)})

    def tell(self, command: str, **parameters: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return self._send("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def resize(self, width: int, height: int) -> None:
        mobile = width < 600
        self.tell(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile
        )

    def emulate(self, scheme: str = "light", media: str = "screen") -> None:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.tell("Emulation.setEmulatedMedia", media=media, features=[feature])

    def log(self, kind: str) -> list[dict[str, Any]]:
        return list(self._send("/se/log", {"type": kind}))

    def requests(self) -> list[str]:
        """Give the addresses that the page has asked for since the last call, less those that it forbids itself."""
        messages = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        events = [(message["method"], message["params"]) for message in messages]
        refused = {given["requestId"] for name, given in events if given.get("blockedReason") == "csp"}
        return [
            given["request"]["url"]
            for name, given in events
            if name == "Network.requestWillBeSent" and given["requestId"] not in refused
        ]

    def shoot(self, path: Path, top: int = 0, height: int | None = None) -> None:
        """Write a picture of the page, or of `height` pixels of it from `top` on."""
        size = self.tell("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": top, "width": size["width"], "height": height or size["height"] - top, "scale": 1}
        picture = self.tell("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(picture["data"]))


@contextmanager
def start_browser(profile: Path) -> Iterator[Browser]:
    """Start a driver on a free port and a browser, with its own profile folder."""
    assert DRIVER is not None
    command = [DRIVER, "--port=0"]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert driver.stdout is not None
        line = next(line for line in driver.stdout if "started successfully on port" in line)
        browser = Browser(f"http://127.0.0.1:{line.rsplit(' ', 1)[1].strip().rstrip('.')}", profile)
        try:
            yield browser
        finally:
            browser.close()
            time.sleep(0.1)
    finally:
        driver.terminate()
        driver.wait(10)
