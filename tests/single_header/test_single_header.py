# SPDX-License-Identifier: BSL-1.0
"""scripts/single_header.py: with the library's headers, and with some of which it is known what becomes of them."""

import os
import re
import shlex
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
INCLUDE = ROOT / "include"
HEADERS = sorted(path.relative_to(INCLUDE).as_posix() for path in INCLUDE.rglob("*.hpp"))
PUBLIC = [name for name in HEADERS if "detail/" not in name]

# fanout.hpp -> fanout/a.hpp -> fanout/detail/b.hpp
UMBRELLA = """// SPDX-License-Identifier: BSL-1.0
#pragma once

// All of it.
#include <fanout/a.hpp>
#include <fanout/detail/b.hpp>
#include <fanout/version.hpp>
"""
VERSION = """#pragma once
inline constexpr int version_major = 7;
inline constexpr int version_minor = 8;
inline constexpr int version_patch = 9;
"""
A = """// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a is for.
#include <fanout/detail/b.hpp>

#include <string> // for a reason
#if __has_include(<sys/random.h>)
#include <sys/random.h>
#else
#  include <random>
#endif

namespace fanout { struct a { b also; std::string text; }; }
"""
B = """#pragma once
#include <boost/config.hpp>
#include <string>
namespace fanout { struct b {}; }
"""


def sections(text):
    """The names of the headers, as they follow one another."""
    return re.findall(r"^// ---- (\S+)$", text, re.MULTILINE)


def external_includes(text):
    return set(re.findall(r"^\s*#\s*include <((?!fanout)[^>]+)>", text, re.MULTILINE))


class SingleHeader(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.include = self.folder / "include"
        for name, text in (("fanout.hpp", UMBRELLA), ("fanout/version.hpp", VERSION), ("fanout/a.hpp", A)):
            self.write(name, text)
        self.write("fanout/detail/b.hpp", B)

    def write(self, name, text):
        to = self.include / name
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text)

    def run_script(self, *arguments, include=None):
        arguments = ["--include", include or self.include, *arguments]
        return subprocess.run(
            [ROOT / "scripts/single_header.py", *arguments], capture_output=True, text=True, timeout=60, check=False
        )

    def made(self, *arguments, include=None):
        done = self.run_script(*arguments, include=include)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        return done.stdout

    def compile(self, *arguments):
        command = [os.environ.get("CXX", "g++"), *shlex.split(os.environ.get("CXXFLAGS", "-std=c++20")), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stderr}")

    # ---- what it writes

    def test_each_header_comes_once_and_behind_what_it_includes(self):
        text = self.made()
        self.assertEqual(sections(text), ["fanout/detail/b.hpp", "fanout/a.hpp", "fanout/version.hpp"])
        self.assertNotIn("<fanout", text)
        self.assertIn("// What a is for.", text)
        self.assertNotIn("// All of it.", text)  # said of includes that are no more
        self.assertEqual(text.count("#pragma once"), 1)
        self.assertIn("\n// fanout 7.8.9, as one header.", text)

    def test_what_is_included_always_is_included_once_and_first(self):
        lines = self.made().splitlines()
        for line in ("#include <boost/config.hpp>", "#include <string>"):
            self.assertEqual(lines.count(line), 1)
            self.assertLess(lines.index(line), lines.index("// ---- fanout/detail/b.hpp"))

    def test_what_the_library_asks_for_is_asked_before_anything_is_included(self):
        self.write("fanout/detail/requirements.hpp", "#pragma once\n#include <boost/version.hpp>\n#error too old\n")
        self.write("fanout/detail/b.hpp", "#include <fanout/detail/requirements.hpp>\n" + B)
        text = self.made()
        self.assertEqual(text.count("boost/version.hpp"), 1)
        self.assertLess(text.index("boost/version.hpp"), text.index("#error too old"))
        self.assertLess(text.index("#error too old"), text.index("#include <boost/config.hpp>"))

    def test_what_is_included_on_a_condition_stays_under_it(self):
        self.assertIn("#if __has_include(<sys/random.h>)\n#include <sys/random.h>\n#else\n#  include <random>\n#endif", self.made())

    def test_a_header_that_cannot_be_put_in_is_said_with_its_line(self):
        for text, said in (
            ("#if 1\n#include <fanout/detail/b.hpp>\n#endif\n", "fanout/a.hpp:2: includes fanout/detail/b.hpp on a condition"),
            ('\n#include "detail/b.hpp"\n', 'fanout/a.hpp:2: includes by "…"'),
            ("#include <fanout.hpp>\n", "fanout.hpp includes itself"),
            ("#include <fanout/c.hpp>\n", "fanout/c.hpp: No such file"),
        ):
            self.write("fanout/a.hpp", text)
            done = self.run_script()
            self.assertEqual(done.returncode, 1, text)
            self.assertIn(said, done.stderr)
            self.assertEqual(done.stdout, "")

    def test_wrong_arguments_end_with_status_2_and_say_what_is_wrong(self):
        for arguments, said in (
            (["fanout/no_such.hpp"], "fanout/no_such.hpp is no public header"),
            (["fanout/detail/b.hpp"], "fanout/detail/b.hpp is no public header"),
            (["-o", "x", "--folder", "y"], "not allowed with"),
            (["--include", self.folder / "nowhere"], "there is no fanout.hpp in"),
        ):
            done = self.run_script(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(said, done.stderr)

    def test_a_folder_has_a_header_for_each_and_none_that_is_gone(self):
        to = self.folder / "folder"
        self.write("fanout/gone.hpp", "#pragma once\nint gone;\n")
        self.made("--folder", to)
        self.assertTrue((to / "fanout/gone.hpp").is_file())
        (self.include / "fanout/gone.hpp").unlink()
        before = (to / "fanout/a.hpp").stat().st_mtime_ns
        self.made("--folder", to)
        self.assertFalse((to / "fanout/gone.hpp").exists())
        self.assertNotIn("gone", (to / "fanout.hpp").read_text())
        self.assertEqual((to / "fanout/a.hpp").stat().st_mtime_ns, before)  # or all would be compiled anew
        self.assertIn("#include <fanout.hpp>", (to / "fanout/detail/b.hpp").read_text())

    # ---- with the library's own headers

    def test_all_holds_every_header_of_the_library(self):
        text = self.made("--all", include=INCLUDE)
        self.assertEqual(sorted(sections(text)), sorted(set(HEADERS) - {"fanout.hpp"}))
        self.assertEqual(external_includes(text), set().union(*(external_includes((INCLUDE / n).read_text()) for n in HEADERS)))

    def test_without_all_it_holds_what_the_umbrella_brings_and_what_is_asked_for(self):
        plain = sections(self.made(include=INCLUDE))
        self.assertIn("fanout/when_all.hpp", plain)
        self.assertNotIn("fanout/composed.hpp", plain)
        more = sections(self.made("fanout/composed.hpp", include=INCLUDE))
        self.assertIn("fanout/composed.hpp", more)
        self.assertLessEqual(set(plain), set(more))

    def test_a_program_builds_and_runs_with_nothing_but_the_one_file(self):
        to = self.folder / "one"
        to.mkdir()
        self.made("-o", to / "fanout.hpp", include=INCLUDE)
        program = self.folder / "program"
        self.compile(f"-I{to}", ROOT / "tests/consumer/main.cpp", "-o", program)
        done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout.split(": ")[1]), (0, "1 + 4 + 9 + 16 = 30\n"))

    def test_all_of_it_compiles_alone_whichever_header_is_named(self):
        to = self.folder / "folder"
        self.made("--folder", to, include=INCLUDE)
        unit = self.folder / "unit.cpp"
        unit.write_text("".join(f"#include <{name}>\n" for name in (*reversed(PUBLIC), "fanout.hpp")))
        self.compile("-fsyntax-only", f"-I{to}", unit)


if __name__ == "__main__":
    unittest.main()
