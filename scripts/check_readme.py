#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""scripts/check_readme.py [--update]: the code in README.md and docs/ is what the tests compile and run.

A block of code is named by a comment on the line before it, `<!-- snippet: FILE [NAME] -->`, and is then the part of
FILE between `[NAME]` and `[/NAME]` in comments, less its indentation; without a NAME it is the whole file. C++ and
CMake blocks must be named so. Links to files of the repository must lead somewhere, and each command of a shell block
that begins with `scripts/` must be there. With --update the blocks are written anew from their files.
"""

import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(?P<before>[^\n]*\n)```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"<!-- snippet: (?P<file>\S+)(?: \[(?P<name>[\w-]+)\])? -->\n")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
CODE_LANGUAGES = ("cpp", "c++", "cmake")


def snippet(file, name):
    text = (ROOT / file).read_text()
    if name is None:
        return text
    found = re.search(rf"^\s*(?://|#) \[{name}\]\n(.*?)^\s*(?://|#) \[/{name}\]\n", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise LookupError(f"{file} has no snippet [{name}]")
    return textwrap.dedent(found[1])


def check(document, update):
    complaints = []
    text = document.read_text()

    def line(position):
        return f"{document.relative_to(ROOT)}:{text.count(chr(10), 0, position) + 1}"

    def visit(block):
        before, language, code = block["before"], block["language"], block["code"]
        named = NAMED.fullmatch(before)
        if named:
            try:
                wanted = snippet(named["file"], named["name"])
            except (OSError, LookupError) as error:
                complaints.append(f"{line(block.start('code'))}: {error}")
                return block[0]
            if update:
                return f"{before}```{language}\n{wanted}```"
            if code != wanted:
                complaints.append(f"{line(block.start('code'))}: differs from {named['file']}; "
                                  "scripts/check_readme.py --update writes it anew")
        elif language in CODE_LANGUAGES:
            complaints.append(f"{line(block.start('code'))}: this code is cut from no file")
        elif language == "sh":
            for script in re.findall(r"^(scripts/\S+)", code, re.MULTILINE):
                if not (ROOT / script).is_file():
                    complaints.append(f"{line(block.start('code'))}: there is no {script}")
        return block[0]

    updated = BLOCK.sub(visit, text)
    if update and updated != text:
        document.write_text(updated)
        print(f"updated {document.relative_to(ROOT)}")
    for named in NAMED.finditer(text):
        if not text.startswith("```", named.end()):
            complaints.append(f"{line(named.start())}: no block of code follows this name")
    for link in LINK.finditer(BLOCK.sub("", text)):
        if not (document.parent / link[1]).exists():
            complaints.append(f"{document.relative_to(ROOT)}: link to {link[1]}, which is not there")
    return complaints


def main(arguments):
    if arguments not in ([], ["--update"]):
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    documents = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")})
    complaints = [complaint for document in documents for complaint in check(document, bool(arguments))]
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    print(f"{len(documents)} documents checked, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
