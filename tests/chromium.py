"""Debian's Chromium, headless and driven by its own chromedriver, with axe-core to judge what it shows."""

from __future__ import annotations

import fcntl
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.containers.images import CACHE
from tests.needs import module, program, unavailable

AXE = "axe-core@4.14.1"
WIDE, PHONE = 1280, 400

_SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # in a container Chromium may have no namespaces of its own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
)


class Browser:
    """One tab. `driver` is selenium's."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str, *, width: int = WIDE, dark: bool = False, script: bool = True) -> None:
        """Load a page anew; what was logged and asked for before is forgotten."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width <= PHONE}
        self._command("Emulation.setEmulatedMedia", {"features": [scheme]})
        self._command("Emulation.setDeviceMetricsOverride", screen)
        self._command("Emulation.setScriptExecutionDisabled", {"value": not script})
        self.driver.get("about:blank")
        for log in ("browser", "performance"):
            self.driver.get_log(log)
        self.driver.get(url)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def complaints(self) -> list[str]:
        """What the console has: errors of scripts, and what the page's policy forbade."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Every address that the page asked for since it was opened."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [event["request"]["url"] for event in sent]

    def unfold(self) -> None:
        self.run("document.querySelectorAll('details').forEach((one) => { one.open = true })")

    def faults(self) -> list[str]:
        """What axe-core finds wrong, by rule and place."""
        self.run(_axe())
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1]; axe.run().then((all) => done(all.violations))"
        )
        return [f"{fault['id']}: {node['html'][:160]}" for fault in found for node in fault["nodes"]]

    def overflow(self) -> int:
        """By how many pixels the page is wider than the screen."""
        return int(self.run("return document.documentElement.scrollWidth - window.innerWidth"))

    def _command(self, name: str, arguments: dict[str, Any]) -> None:
        self.driver.execute_cdp_cmd(name, arguments)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A fresh browser with a profile of its own."""
    webdriver = module("selenium.webdriver", "selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium")
    for switch in _SWITCHES:
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=program("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield Browser(driver)
    finally:
        driver.quit()


def _axe() -> str:
    return library(AXE, "axe.min.js")


def library(package: str, file: str) -> str:
    """The source of a file of a package of npm's, which is installed once."""
    folder = CACHE / package.replace("@", "-")
    found = folder / "node_modules" / package.rpartition("@")[0] / file
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            _install(folder, package)
    return found.read_text("utf-8")


def _install(folder: Path, package: str) -> None:
    argv = [program("npm"), "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), package]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        unavailable(f"npm gave no {package}: {done.stderr[-300:]}")
