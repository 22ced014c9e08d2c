# SPDX-License-Identifier: BSL-1.0
"""No public header can be forgotten: each has an include-only unit, and is in the umbrella or named there as left out."""

import os
import re
import unittest
from pathlib import Path

INCLUDE = Path(__file__).resolve().parent.parent.parent / "include"
HEADERS = sorted(path.relative_to(INCLUDE).as_posix() for path in INCLUDE.rglob("*.hpp"))
PUBLIC = [name for name in HEADERS if "/detail/" not in name]


def includes_of(name):
    return re.findall(r"^\s*#\s*include <(fanout/[^>]+)>", (INCLUDE / name).read_text(), re.MULTILINE)


def brought_by(name, found=None):
    """Whatever of ours comes with a header."""
    found = set() if found is None else found
    if name not in found:
        found.add(name)
        for other in includes_of(name):
            brought_by(other, found)
    return found


def named_in_comments(name):
    """The headers and the folders between backquotes."""
    comments = "\n".join(re.findall(r"^//.*$", (INCLUDE / name).read_text(), re.MULTILINE))
    return re.findall(r"`([\w/]+(?:\.hpp|/))`", comments)


def is_named(header, names):
    return any(
        header.startswith(name) if name.endswith("/") else header == name or header.endswith("/" + name) for name in names
    )


class PublicHeaders(unittest.TestCase):
    def test_the_umbrella_brings_each_or_says_that_it_does_not(self):
        brought = brought_by("fanout.hpp")
        left_out = named_in_comments("fanout.hpp")
        self.assertTrue(left_out)
        for header in PUBLIC:
            with self.subTest(header=header):
                self.assertNotEqual(header in brought, is_named(header, left_out))

    def test_each_has_a_unit_that_includes_only_it(self):
        units = Path(os.environ["FANOUT_HEADER_UNITS"])
        for header in PUBLIC:
            with self.subTest(header=header):
                unit = units / (re.sub(r"\W", "_", header) + ".cpp")
                self.assertTrue(unit.is_file(), "configure again: the list of headers is made then")
                self.assertEqual(set(re.findall(r"\S+", unit.read_text())), {"#include", f"<{header}>"})

    def test_each_says_its_license_and_is_read_once(self):
        for header in HEADERS:
            with self.subTest(header=header):
                lines = (INCLUDE / header).read_text().splitlines()
                self.assertEqual(lines[:2], ["// SPDX-License-Identifier: BSL-1.0", "#pragma once"])


if __name__ == "__main__":
    unittest.main()
