#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""scripts/single_header.py [--all | HEADER…] [-o FILE | --folder FOLDER]: the library as one header.

Writes what `#include <fanout.hpp>` brings, less what is Boost's and the standard library's, as one file: for a project
that would rather copy a file than a folder, and for Compiler Explorer. It needs Boost 1.83 or newer as ever.

  HEADER           further public headers that it shall hold, as they are included: fanout/composed.hpp
  --all            every public header, also those that the umbrella leaves out
  -o FILE          where to write it (default: standard output)
  --folder FOLDER  writes FOLDER/fanout.hpp, with every header, and for each a FOLDER/fanout/….hpp that includes just that:
                   to compile with the one file what names the headers one by one, such as the tests

It is not to be mixed with the headers that it is made from: what it defines would be defined twice.
Exit status 1 where a header cannot be put in, 2 where an argument is wrong.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r"\s*#\s*include\s*([<\"])([^>\"]+)[>\"]")
OPENS = re.compile(r"\s*#\s*if")
CLOSES = re.compile(r"\s*#\s*endif")
ONCE = re.compile(r"\s*#\s*pragma\s+once\b")
SPDX = "// SPDX-License-Identifier: BSL-1.0"
FIRST = "fanout/detail/requirements.hpp"  # what it asks for, before anything is included that may not compile without


class CannotMerge(Exception):
    pass


def is_ours(name):
    return name == "fanout.hpp" or name.startswith("fanout/")


def names_of(folder):
    """The headers in a folder, as they are included."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.hpp"))


def is_public(name):
    return "detail" not in name.split("/")


def has_code(text):
    """Not so the umbrella: what it says of what it includes would not be true here."""
    return any(line and not line.startswith("//") for line in text.splitlines())


class Merged:
    """Headers one after another, each once, behind all that it includes."""

    def __init__(self, folder):
        self.folder = folder
        self.others = set()  # what they include that is not ours
        self.sections = {}  # by name, in order; None while what the header includes is being added

    def add(self, name):
        if name in self.sections:
            if self.sections[name] is None:
                raise CannotMerge(f"{name} includes itself, by way of others")
            return
        try:
            text = (self.folder / name).read_text()
        except OSError as error:
            raise CannotMerge(f"{name}: {error.strerror}") from error
        self.sections[name] = None
        kept = list(self.body(name, text.splitlines()))
        del self.sections[name]  # it comes behind what it includes
        self.sections[name] = "\n".join(kept).strip("\n")

    def body(self, name, lines):
        depth = 0  # within how many #if
        for number, line in enumerate(lines, 1):
            if OPENS.match(line):
                depth += 1
            elif CLOSES.match(line):
                depth -= 1
            elif ONCE.match(line) or line == SPDX:
                continue
            elif included := INCLUDE.match(line):
                if included[1] == '"':
                    raise CannotMerge(f"{name}:{number}: includes by \"…\", and not by its full name")
                if is_ours(included[2]):
                    if depth > 0:
                        raise CannotMerge(f"{name}:{number}: includes {included[2]} on a condition")
                    self.add(included[2])
                    continue
                if depth == 0 and name != FIRST:
                    self.others.add(included[2])
                    continue
            yield line

    def text(self):
        others = sorted(self.others, key=lambda name: (not name.startswith("boost/"), name))
        boost = [name for name in others if name.startswith("boost/")]
        standard = [name for name in others if not name.startswith("boost/")]
        sections = {name: f"// ---- {name}\n\n{text}" for name, text in self.sections.items() if has_code(text)}
        blocks = [banner(self.folder)]
        blocks += [sections.pop(FIRST)] if FIRST in sections else []
        blocks += ["\n".join(f"#include <{name}>" for name in names) for names in (boost, standard) if names]
        blocks += sections.values()
        return re.sub(r"\n{3,}", "\n\n", "\n\n".join(blocks)) + "\n"


def banner(folder):
    version = (folder / "fanout/version.hpp").read_text()
    numbers = [re.search(rf"version_{part} = (\d+)", version)[1] for part in ("major", "minor", "patch")]
    licence = "".join(f"// {line}".rstrip() + "\n" for line in (ROOT / "LICENSE").read_text().splitlines())
    return (
        f"{SPDX}\n#pragma once\n\n"
        f"// fanout {'.'.join(numbers)}, as one header. Made by scripts/single_header.py from the headers that it names; change those.\n"
        f"// It needs C++20 and the headers of Boost 1.83 or newer.\n//\n{licence}"
    ).rstrip()


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    # What is there already is left alone: what was compiled with it is up to date.
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="scripts/single_header.py has more to say.")
    parser.add_argument("headers", nargs="*", metavar="HEADER", help="a further public header: fanout/composed.hpp")
    parser.add_argument("--all", action="store_true", help="every public header")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-o", dest="file", type=Path, metavar="FILE", help="where to write it (default: standard output)")
    where.add_argument("--folder", type=Path, help="writes FOLDER/fanout.hpp, and headers that include just that")
    parser.add_argument("--include", type=Path, default=ROOT / "include", help="where the headers are (default: include)")
    given = parser.parse_args(arguments)

    names = names_of(given.include)
    if "fanout.hpp" not in names:
        parser.error(f"there is no fanout.hpp in {given.include}")
    for name in given.headers:
        if name not in names or not is_public(name):
            parser.error(f"{name} is no public header of fanout")
    wanted = ["fanout.hpp", *given.headers]
    if given.all or given.folder:
        wanted += [name for name in names if is_public(name)]

    merged = Merged(given.include)
    try:
        for name in wanted:
            merged.add(name)
    except CannotMerge as error:
        print(f"single_header.py: {error}", file=sys.stderr)
        return 1
    if given.folder:
        write(given.folder / "fanout.hpp", merged.text())
        for name in merged.sections:
            if name != "fanout.hpp":
                write(given.folder / name, f"{SPDX}\n#pragma once\n#include <fanout.hpp>\n")
        # A header that is gone must not be found here.
        for name in set(names_of(given.folder)) - set(merged.sections):
            (given.folder / name).unlink()
    elif given.file:
        write(given.file, merged.text())
    else:
        sys.stdout.write(merged.text())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
