# SPDX-License-Identifier: BSL-1.0
"""Opens pages in Chromium without a window and asks it about them, over the pipe of its DevTools."""

import collections
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from browser import BROWSERS  # noqa: E402
from processes import end_with_parent  # noqa: E402

# A page takes some tenths of a second.
HANG = 60


class Gone(AssertionError):
    """The page that was asked is no longer there."""


class Browser:
    """One browser with one page. `complaints` has what it said in its console, what it could not load, and what it asked
    of another host than `home`; `open` begins a new list."""

    def __init__(self, home):
        self.home = home
        self.complaints = []
        self._events = collections.deque()
        self._number = 0
        self._buffer = b""
        self._urls = {}

    def __enter__(self):
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        if not found:
            raise AssertionError("there is no Chromium here; scripts/setup.sh docs installs one")
        self._profile = tempfile.TemporaryDirectory(prefix="fanout-browser-", ignore_cleanup_errors=True)
        read_theirs, self._write = os.pipe()
        self._read, write_theirs = os.pipe()
        # It reads from file 3 and writes to 4. Both of ours may have these very numbers, so they are copied away first.
        high = [os.dup(read_theirs), os.dup(write_theirs)]

        def wire():
            end_with_parent()
            ours = [os.dup(number) for number in high]
            while min(ours) < 5:
                ours = [os.dup(number) for number in ours]
            os.dup2(ours[0], 3)
            os.dup2(ours[1], 4)

        self._process = subprocess.Popen(
            [found, "--headless", "--remote-debugging-pipe", f"--user-data-dir={self._profile.name}", "--no-first-run",
             "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
             # It does not start with one as root; and what is opened is this project's own.
             "--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "about:blank"],
            env={"PATH": os.environ["PATH"], "HOME": self._profile.name, "LANG": "C.UTF-8"}, close_fds=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, preexec_fn=wire)
        for number in (read_theirs, write_theirs, *high):
            os.close(number)
        self._session = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        # Without a window it would have the focus at times only, and its elements hear of theirs only then.
        self._call("Emulation.setFocusEmulationEnabled", enabled=True)
        self._call("Emulation.setDeviceMetricsOverride", width=1400, height=1000, deviceScaleFactor=1, mobile=False)
        return self

    def __exit__(self, *_):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._read)
        os.close(self._write)
        self._profile.cleanup()

    def open(self, address):
        """Loads a page of the site, and what it loads."""
        self.complaints.clear()
        self._events.clear()
        self._call("Page.navigate", url=f"{self.home}/{address}")
        until = time.monotonic() + HANG
        while not any(event == "Page.loadEventFired" for event in self._events):
            self._take(until)

    def ask(self, expression):
        """The value of a JavaScript expression; a promise is awaited."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression):
        """Asks until the answer is something that is true, and returns it. The page may go to another one meanwhile."""
        until = time.monotonic() + HANG
        while True:
            try:
                answer = self.ask(expression)
            except Gone:
                answer = None
            if answer:
                return answer
            if time.monotonic() > until:
                raise AssertionError(f"not within {HANG} s: {expression}")
            time.sleep(0.02)

    def write(self, text):
        """As by the keyboard, into what has the focus."""
        self._call("Input.insertText", text=text)

    def _call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + HANG
        while True:
            answer = self._take(until)
            if answer.get("id") == self._number:
                if "error" in answer:
                    gone = re.search("navigated|context", answer["error"]["message"])
                    raise (Gone if gone else AssertionError)(f"{method}: {answer['error']}")
                return answer["result"]

    def _take(self, until):
        """The next message; an event is noted."""
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], max(0, until - time.monotonic()))[0]:
                raise AssertionError("the browser hangs")
            more = os.read(self._read, 1 << 16)
            if not more:
                raise AssertionError("the browser has ended")
            self._buffer += more
        message, self._buffer = self._buffer.split(b"\0", 1)
        found = json.loads(message)
        if "method" in found:
            self._events.append(found["method"])
            self._note(found["method"], found["params"])
        return found

    def _note(self, event, about):
        if event == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            said = " ".join(str(value.get("value", value.get("description"))) for value in about["args"])
            self.complaints.append(f"console: {said}")
        elif event == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.complaints.append(f"exception: {details.get('exception', {}).get('description', details['text'])}")
        elif event == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"log: {about['entry']['text']} {about['entry'].get('url', '')}")
        elif event == "Network.requestWillBeSent":
            url = about["request"]["url"]
            self._urls[about["requestId"]] = url
            if not url.startswith((f"{self.home}/", "data:", "blob:", "about:")):
                self.complaints.append(f"asks another host: {url}")
        elif event == "Network.responseReceived" and about["response"]["status"] >= 400:
            self.complaints.append(f"status {about['response']['status']}: {about['response']['url']}")
        elif event == "Network.loadingFailed" and not about.get("canceled"):
            self.complaints.append(f"not loaded: {self._urls.get(about['requestId'])}: {about['errorText']}")
