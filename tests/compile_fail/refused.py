# SPDX-License-Identifier: BSL-1.0
"""Compiles the wrong calls of cases.cpp, once, and checks what the compiler says of each.

refused.py <compiler> [its options …]

The first error (or warning) of a call must be the sentence that stands there, no second one may follow, and what the
compiler says must fit on a screen. Of what is right nothing may be said.
Then it includes each public header in C++17, and beside a Boost that is too old: the first error must say what is needed.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SCREEN = 45  # lines
CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.cpp")
INCLUDE = Path(CASES).parent.parent.parent / "include"
NO_CPP20 = "fanout needs C++20: compile with -std=c++20 or newer (MSVC: /std:c++20)"
OLD_BOOST = "fanout needs Boost 1.83 or newer"


class Case:
    """A function of cases.cpp."""

    def __init__(self, name, first):
        self.name, self.first, self.last = name, first, first
        self.kind = self.sentence = None
        self.only_old_gcc = self.more = False
        self.said = []  # (error or warning, text)
        self.lines = 0


def read_cases():
    cases, case = [], None
    with open(CASES, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            start = re.match(r"(?:awaitable<void>|void) (\w+)\(.*\{$", line)
            if start:
                case = Case(start[1], number)
                cases.append(case)
            marker = re.match(r" +// (error|warning): (.*)$", line)
            if case and marker:
                case.kind, case.sentence = marker.groups()
            if case and line.strip() == "// g++ before 13 only":
                case.only_old_gcc = True
            if case and line.strip() == "// Asio says more":
                case.more = True
            if case and line == "}\n":
                case.last, case = number, None
    return cases


def said_by(command):
    """Each diagnostic as (kind, text, the line of cases.cpp that it comes from, how many lines it takes, whether it is
    said of that line itself)."""
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    gcc = "required from" in run.stderr
    diagnostics, context, pending = [], None, 0
    for line in run.stderr.splitlines():
        here = re.match(r"(?:[^ :]*/)?cases\.cpp:(\d+):", line)
        head = re.match(r"(\S+?):(?:\d+):\d+: (fatal error|error|warning): (.*)$", line)
        if re.match(r"In file included from|(?:\S+: )?In (?:\w+ )?(?:instantiation|substitution|function|member)", line):
            pending, context = pending + 1, None
        elif head:
            at = int(here[1]) if here else context
            diagnostics.append([head[2].split()[-1], head[3], at, 1 + pending, here is not None])
            pending = 0
        elif gcc and ("required from" in line or "required by" in line):
            context, pending = int(here[1]) if here else context, pending + 1
        elif diagnostics:
            if here and re.search(r"note: (in instantiation|while substituting)", line) and not diagnostics[-1][4]:
                diagnostics[-1][2] = int(here[1])  # the last of these is the call
            diagnostics[-1][3] += 1
    return run, diagnostics


def version_of(compiler):
    macros = subprocess.run([compiler, "-dM", "-E", "-x", "c++", os.devnull], capture_output=True, text=True).stdout
    return "__clang__" in macros, int(re.search(r"#define __GNUC__ (\d+)", macros)[1])


def first_error(command, header, clang):
    """What a compiler says first of a unit that includes just this header. clang, which would read the rest after it, and
    take a second for each header, preprocesses only; that nothing is compiled before that line GCC says."""
    read = ["-E", "-o", os.devnull] if clang else ["-Wfatal-errors", "-fsyntax-only"]
    command = [*command, *read, "-fdiagnostics-color=never", "-x", "c++", "-"]
    unit = f"#include <{header}>\n"
    run = subprocess.run(command, input=unit, capture_output=True, text=True, timeout=300)
    error = re.search(r"error: (.*)$", run.stderr, re.MULTILINE)
    return re.sub(r'^#error |"', "", error[1]) if error else None


def check_requirements(command, clang):
    """What is wrong with what is said of a compiler that is not in C++20 mode, and of an old Boost."""
    headers = sorted(path.relative_to(INCLUDE).as_posix() for path in INCLUDE.rglob("*.hpp"))
    public = [header for header in headers if "/detail/" not in header]
    cpp17 = [option for option in command if not option.startswith("-std=")] + ["-std=c++17"]
    said = [(f"<{header}> in C++17", NO_CPP20, first_error(cpp17, header, clang)) for header in public]
    with tempfile.TemporaryDirectory() as folder:
        version = Path(folder, "boost", "version.hpp")
        version.parent.mkdir()
        beside = [command[0], f"-I{folder}", *command[1:]]
        for number, sentence in ((108200, OLD_BOOST), (108300, None)):
            version.write_text(f'#define BOOST_VERSION {number}\n#define BOOST_LIB_VERSION "{number}"\n')
            said.append((f"with Boost {number}", sentence, first_error(beside, "fanout.hpp", clang)))
    return [f"{at}: must say first\n    {wanted}\n  but says\n    {got}" for at, wanted, got in said if got != wanted]


def main(command):
    given = command
    clang, gcc = version_of(command[0])
    old_gcc = not clang and gcc < 13
    command = command + (["-ferror-limit=0"] if clang else []) + ["-Wall", "-fsyntax-only", "-fdiagnostics-color=never", CASES]
    run, diagnostics = said_by(command)
    cases, wrong = read_cases(), []
    for kind, text, at, lines, _ in diagnostics:
        if at is None:  # clang has forgotten the call, but names the lambda in it
            inner = re.search(r"\(lambda at [^ )]*cases\.cpp:(\d+)", text)
            at = int(inner[1]) if inner else None
        case = next((c for c in cases if at is not None and c.first <= at <= c.last), None)
        if case is None:
            wrong.append(f"outside of the cases, line {at}: {kind}: {text}")
            continue
        text = re.sub(r"^static assertion failed(?: due to requirement '.*')?: ", "", text)
        case.said.append((kind, text))
        case.lines += lines
    for case in cases:
        at = f"{case.name} (line {case.first})"
        if case.sentence is None or (case.only_old_gcc and not old_gcc):
            if case.said:
                wrong.append(f"{at}: is right, but: {case.said[0]}")
        elif not case.said:
            wrong.append(f"{at}: the compiler says nothing")
        else:
            kind, text = case.said[0]
            fits = case.sentence in text if case.kind == "warning" else case.sentence == text
            if kind != case.kind or not fits:
                wrong.append(f"{at}: must say first\n    {case.kind}: {case.sentence}\n  but says\n    {kind}: {text}")
            if len(case.said) > 1 and not case.more:
                wrong.append(f"{at}: {len(case.said) - 1} more:\n    " + "\n    ".join(": ".join(s) for s in case.said[1:]))
            if case.lines > SCREEN and not case.more:
                wrong.append(f"{at}: {case.lines} lines, more than a screen")
    wrong += check_requirements(given, clang)
    if wrong:
        print(*wrong, sep="\n")
        print(f"{len(wrong)} wrong; the compiler said:\n{run.stderr}" if "-v" in sys.argv else f"{len(wrong)} wrong")
        return 1
    print(f"{sum(c.sentence is not None for c in cases)} wrong calls refused, each in at most "
          f"{max(c.lines for c in cases if not c.more)} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main([a for a in sys.argv[1:] if a != "-v"]))
