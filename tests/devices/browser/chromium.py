"""A headless Chromium that is told what to do by the DevTools protocol, over a pipe: no port, no package.

    with Chromium(folder) as browser:
        page = browser.page("http://127.0.0.1:8765/")
        page.until("document.title === 'x'")
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections import deque
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import Any, Self

PATH = next((found for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (found := shutil.which(name))), None)
FLAGS = ("--headless=new", "--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
GPU = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan", "--use-angle=swiftshader")
PHONE = {"width": 412, "height": 915, "deviceScaleFactor": 2.625, "mobile": True}
PHONE_AGENT = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36"
ANSWER_S = 60.0


class Chromium:
    """`folder` is its profile: a new one is a browser that was never anywhere."""

    def __init__(self, folder: Path, *flags: str) -> None:
        to_read, self._to_write = os.pipe()
        self._to_read, to_write = os.pipe()
        command = f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}'  # the two descriptors that --remote-debugging-pipe speaks by
        options = [*FLAGS, *(flags or ("--disable-gpu",)), "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", command, str(PATH), *options], pass_fds=(to_read, to_write), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        self._number = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self.events: deque[dict[str, Any]] = deque(maxlen=20_000)
        self._changed = Condition()
        Thread(target=self._read, daemon=True).start()

    def ask(self, method: str, session: str = "", **parameters: Any) -> Any:
        with self._changed:
            self._number += 1
            number = self._number
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self._to_write, json.dumps(message).encode() + b"\0")
        with self._changed:
            assert self._changed.wait_for(lambda: number in self._answers, ANSWER_S), f"no answer to {method}"
            answer = self._answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def page(self, address: str) -> Page:
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        found = Page(self, session, target)
        for domain in ("Page", "Runtime", "Network", "Log"):
            found.ask(f"{domain}.enable")
        if address:
            found.go(address)
        return found

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        os.close(self._to_write)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _read(self) -> None:
        kept = b""
        with os.fdopen(self._to_read, "rb", buffering=0) as pipe:
            while chunk := pipe.read(1 << 20):
                *whole, kept = (kept + chunk).split(b"\0")
                with self._changed:
                    for one in map(json.loads, whole):
                        if "id" in one:
                            self._answers[one["id"]] = one
                        else:
                            self.events.append(one)
                    self._changed.notify_all()


class Page:
    """One tab."""

    def __init__(self, browser: Chromium, session: str, target: str) -> None:
        self._browser, self._session, self.target = browser, session, target

    def ask(self, method: str, **parameters: Any) -> Any:
        return self._browser.ask(method, self._session, **parameters)

    def go(self, address: str) -> None:
        self.ask("Page.navigate", url=address)
        self.until("location.href !== 'about:blank' && document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """Of a JavaScript expression, awaited."""
        found = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, expression: str, seconds: float = 60.0) -> Any:
        """The value once it is something; what the page shows, where it never is."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if found := self.value(expression):
                    return found
            except AssertionError as error:
                if "navigated" not in str(error):  # a page that is being loaded has no value yet
                    raise
            time.sleep(0.05)
        raise AssertionError(f"{expression} did not come true; the page shows: {self.value('document.body.innerText')}\n{self.complaints()}")

    def complaints(self) -> list[str]:
        """What the console says: errors of the page, refusals of its policy."""
        said = []
        for one in list(self._browser.events):
            if one.get("sessionId") == self._session and one["method"] in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
                said.append(json.dumps(one["params"])[:600])
        return said

    def requests(self) -> list[str]:
        """Every address that the tab asked for."""
        return [
            one["params"]["request"]["url"]
            for one in list(self._browser.events)
            if one["method"] == "Network.requestWillBeSent" and one.get("sessionId") == self._session
        ]

    def picture(self, path: Path) -> None:
        import base64

        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=False)["data"]))
