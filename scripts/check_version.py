#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""scripts/check_version.py: the library has one version number, and whoever repeats it says the same.

Its home is include/fanout/version.hpp. CMake, the package's version file, fanout.pc and conanfile.py read it from there.
What cannot read is compared: the macro beside the constants, vcpkg.json, the first heading of CHANGELOG.md with a number in
it, and each `find_package(fanout …)`, which names the major and the minor number.
"""

import argparse
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACES = ("*.md", "docs/**/*.md", "examples/**/*", "packaging/**/*", "tests/consumer/**/*")


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def check(root):
    """The version, and what is wrong."""
    complaints = []

    def complain(file, text, position, said, wanted):
        complaints.append(f"{file}:{line_of(text, position)}: says {said}, and not {wanted}")

    home = "include/fanout/version.hpp"
    header = (root / home).read_text()
    numbers = []
    for part in ("major", "minor", "patch"):
        found = re.search(rf"version_{part} = (\d+);", header)
        if not found:
            return "?", [f"{home}: has no version_{part}"]
        numbers.append(int(found[1]))
    major, minor, patch = numbers
    version = f"{major}.{minor}.{patch}"

    macro = re.search(r"#define FANOUT_VERSION (\d+)", header)
    wanted = major * 10000 + minor * 100 + patch
    if not macro:
        complaints.append(f"{home}: has no FANOUT_VERSION")
    elif int(macro[1]) != wanted or max(minor, patch) > 99:
        complain(home, header, macro.start(), f"FANOUT_VERSION {macro[1]}", wanted)

    port = "packaging/vcpkg/fanout/vcpkg.json"
    said = json.loads((root / port).read_text()).get("version")
    if said != version:
        complaints.append(f"{port}: says {said}, and not {version}")

    recipe = (root / "conanfile.py").read_text()
    if fixed := re.search(r"^ +version *= *[\"'].*", recipe, re.MULTILINE):
        complain("conanfile.py", recipe, fixed.start(), fixed[0].strip(), f"what {home} says")

    log = (root / "CHANGELOG.md").read_text()
    newest = re.search(r"^## .*?(\d+\.\d+\.\d+).*$", log, re.MULTILINE)
    if not newest:
        complaints.append("CHANGELOG.md: no heading names a version")
    elif newest[1] != version:
        complain("CHANGELOG.md", log, newest.start(), newest[1], version)

    for path in sorted({path for place in PLACES for path in root.glob(place) if path.is_file()}):
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for asked in re.finditer(r"find_package\(fanout (\d[\d.]*)", text):
            if asked[1] != f"{major}.{minor}":
                complain(path.relative_to(root), text, asked.start(), asked[0], f"{major}.{minor}")
    return version, complaints


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    version, complaints = check(parser.parse_args(arguments).root)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    print(f"fanout {version}: {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
