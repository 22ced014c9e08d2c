# SPDX-License-Identifier: BSL-1.0
"""Draws an SVG file as a browser does, to a PNG file, and looks at its pixels. Nothing is asked of a network."""

import functools
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from PIL import Image

from processes import end_with_parent

BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
# A picture takes less than a second.
HANG = 60


def render(svg, png, width, height, dark=False):
    """The file `svg`, opened by itself, in a window of that size, for a reader whose system is light, or dark."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        raise AssertionError("there is no Chromium here; scripts/setup.sh test installs one")
    with tempfile.TemporaryDirectory(prefix="fanout-browser-") as profile:
        command = [
            found, "--headless", f"--screenshot={os.path.abspath(png)}", f"--window-size={width},{height}",
            # Blink's own setting, which prefers-color-scheme follows: 0 is dark, 1 is light. --force-dark-mode sets the
            # looks of the browser's own window only.
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            "--force-device-scale-factor=1", "--hide-scrollbars",
            f"--user-data-dir={profile}", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage",
            # It does not start with one as root; and what is opened is what these tests have written.
            "--no-sandbox",
            "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND",
            pathlib.Path(svg).resolve().as_uri(),
        ]
        browser = subprocess.Popen(command, env={"PATH": os.environ["PATH"], "HOME": profile, "LANG": "C.UTF-8"},
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, errors="replace", start_new_session=True, preexec_fn=end_with_parent)
        try:
            said = browser.communicate(timeout=HANG)[0]
        except subprocess.TimeoutExpired:
            os.killpg(browser.pid, signal.SIGKILL)  # the browser and the processes that it started
            raise AssertionError(f"the browser hangs: {browser.communicate()[0]}") from None
    if browser.returncode != 0 or not os.path.isfile(png):
        raise AssertionError(f"the browser drew nothing of {svg} (status {browser.returncode}): {said}")


def pixel(png, x, y):
    """Its colour there: (red, green, blue) of 0 to 255."""
    return _read(png, os.stat(png).st_mtime_ns).getpixel((int(x), int(y)))


def size(png):
    """(width, height)"""
    return _read(png, os.stat(png).st_mtime_ns).size


def is_blank(png):
    """All of one colour."""
    return all(least == most for least, most in _read(png, os.stat(png).st_mtime_ns).getextrema())


@functools.lru_cache(maxsize=2)
def _read(png, _):
    with Image.open(png) as image:
        return image.convert("RGB")
