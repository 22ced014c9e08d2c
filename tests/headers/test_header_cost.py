# SPDX-License-Identifier: BSL-1.0
"""scripts/header_cost.sh on headers of which it is known what they include."""

import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

UMBRELLA = """#pragma once
#include <fanout/a.hpp>
#include <fanout/detail/b.hpp>
"""

A = """#pragma once
#include <boost/version.hpp>
#include <cstddef>
#if 0
#include <boost/asio.hpp>
#endif
#ifdef NO_SUCH_MACRO
#  include <boost/not/there.hpp>
#endif
"""

# boost/config.hpp includes headers of its own, which are not ours to count; version.hpp has been included before.
B = """#pragma once
  #  include <boost/config.hpp>
#include <boost/version.hpp>
#include <boost/cstdint.hpp>
"""


class HeaderCost(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.include = Path(holder.name) / "include"
        self.write("fanout.hpp", UMBRELLA)
        self.write("fanout/a.hpp", A)
        self.write("fanout/detail/b.hpp", B)

    def write(self, path, text):
        to = self.include / path
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text)

    def run_script(self, *arguments):
        return subprocess.run(
            [ROOT / "scripts/header_cost.sh", "--include", self.include, "--pairs", "1", *arguments],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def test_the_other_unit_has_each_header_of_boost_that_is_in_force_once(self):
        done = self.run_script("--list")
        self.assertEqual(done.returncode, 0, done.stderr)
        expected = ["#include <boost/config.hpp>", "#include <boost/cstdint.hpp>", "#include <boost/version.hpp>"]
        self.assertEqual(done.stdout.splitlines(), expected)

    def test_a_header_that_costs_many_times_what_it_includes_is_a_miss(self):
        # What it includes of Boost is next to nothing.
        self.write("fanout/detail/b.hpp", "#pragma once\n#include <boost/version.hpp>\n" + "\n".join(
            f"#include <{name}>" for name in ("algorithm", "functional", "map", "memory", "regex", "string", "vector")
        ))
        self.write("fanout/a.hpp", "#pragma once\n#include <boost/version.hpp>\n")
        done = self.run_script("--at-most", "3")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("\nMISS: fanout.hpp takes more than 3 times", done.stdout)
        ratio = self.run_script("--ratio", "--at-most", "3")
        self.assertEqual(ratio.returncode, 0, ratio.stderr)
        self.assertGreater(float(ratio.stdout), 3)

    def test_a_ratio_within_the_bound_is_ok(self):
        done = self.run_script("--at-most", "100")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("\nok: fanout.hpp takes at most 100 times", done.stdout)

    def test_what_does_not_compile_is_no_measurement(self):
        self.write("fanout/a.hpp", A + "\nint x = nothing_of_that_name;\n")
        done = self.run_script()
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing_of_that_name", done.stderr)
        self.assertNotIn("ok:", done.stdout)

    def test_wrong_arguments_end_with_status_2_and_say_what_is_wrong(self):
        for arguments, said in (
            (["--pairs", "0"], "--pairs takes a number from 1 on, not '0'"),
            (["--at-most", "much"], "--at-most takes a number, not 'much'"),
            (["--at-most"], "--at-most needs a value"),
            (["--include", "/nowhere"], "there is no fanout.hpp in '/nowhere'"),
            (["--fast"], "what is '--fast'?"),
        ):
            done = self.run_script(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(said, done.stderr)


if __name__ == "__main__":
    unittest.main()
