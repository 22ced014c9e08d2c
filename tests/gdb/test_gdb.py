# SPDX-License-Identifier: BSL-1.0
"""Looks at tests/gdb/program.cpp with gdb, in batch mode, through share/gdb/fanout_printers.py; and checks that
docs/how-to/debug-with-gdb.md shows just what gdb says.

test_gdb.py <gdb> <program> [--update, which writes that page anew, or unittest's options]
"""

import os
import re
import subprocess
import sys
import tempfile
import textwrap
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
PRINTERS = os.path.join(ROOT, "share/gdb/fanout_printers.py")
PAGE = os.path.join(ROOT, "docs/how-to/debug-with-gdb.md")

# A block of the page: the scene, the command, what gdb says.
BLOCK = re.compile(r"(<!-- gdb: (.*) -->\n```text\n\(gdb\) (.*)\n)((?:.*\n)*?)(```\n)")

# At each scene a line with its name, then what the commands say.
COMMANDS = """
set width 0
set startup-with-shell off
set print frame-arguments none
source {printers}
break stop_here
run
python
import gdb
def ask(*commands):
    for c in commands:
        print(f"(gdb) {{c}}", flush=True)
        try:
            gdb.execute(c)
        except gdb.error as e:
            print(e)
while gdb.selected_inferior().pid > 0:
    scene = gdb.selected_frame().read_var("scene").string()
    print(f"=== {{scene}}", flush=True)
    if scene == "outcomes":
        gdb.execute("up", to_string=True)
        for name in ("settled", "retried", "failures", "pair", "word", "not_started", "result"):
            ask(f"print {{name}}")
    else:
        ask("info fanouts")
    if scene == "coroutines":
        ask("print *$fanout1", "info fanouts *$fanout1")
    if scene == "another context":
        ask("info fanouts another")
    ask("continue")
end
"""


def look(gdb, program):
    """What gdb says: scene by scene, command by command."""
    with tempfile.NamedTemporaryFile("w", suffix=".gdb") as script:
        script.write(COMMANDS.format(printers=PRINTERS))
        script.flush()
        said = subprocess.run([gdb, "-nx", "-batch", "-x", script.name, program],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
    scenes = {}
    for part in said.stdout.split("\n=== ")[1:]:
        name, _, rest = part.partition("\n")
        scenes[name] = dict(c.split("\n", 1) for c in rest.split("(gdb) ")[1:])
    return scenes, said.stdout + said.stderr


def page_of(scenes):
    """The page as it is, and as it ought to be: what is longer than a line of the page goes on in the next."""
    with open(PAGE, encoding="utf-8") as f:
        page = f.read()

    def anew(block):
        said = re.sub(r"(?m)^\$\d+ = ", "$1 = ", scenes[block[2]][block[3]].strip())
        lines = [textwrap.wrap(line, 108, break_on_hyphens=False) for line in said.splitlines()]
        indents = [len(line) - len(line.lstrip()) for line in said.splitlines()]
        text = [" " * (indent + (4 if i else 0)) + part.strip()
                for indent, parts in zip(indents, lines) for i, part in enumerate(parts)]
        return block[1] + "\n".join(text) + "\n" + block[5]

    return page, BLOCK.sub(anew, page)


class Gdb(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.scenes, cls.all = look(GDB, PROGRAM)

    def said(self, scene, command):
        self.assertIn(scene, self.scenes, self.all)
        self.assertIn(command, self.scenes[scene], self.all)
        return re.sub(r"(?m)^\$\d+ = ", "", self.scenes[scene][command].strip())

    def fan_outs(self, scene, expected, command="info fanouts"):
        self.assertEqual(self.said(scene, command), textwrap.dedent(expected).strip(), self.all)

    def test_the_printers_fit_the_library(self):
        self.assertNotIn("fanout_printers.py:", self.all)
        self.assertNotIn("Python Exception", self.all)
        self.assertNotIn("warning: RTTI symbol not found", self.all)
        self.assertNotIn("Traceback", self.all)

    def test_the_page_shows_what_gdb_says(self):
        page, anew = page_of(self.scenes)
        self.assertEqual(page, anew, "test_gdb.py GDB PROGRAM --update writes it anew")
        self.assertEqual(len(BLOCK.findall(page)), 5)

    def test_outcomes_are_words(self):
        self.assertEqual(self.said("outcomes", "print settled"), (
            'std::vector of length 7, capacity 7 = {'
            'fulfilled = {value = 0}, '
            'rejected: std::invalid_argument "row 1 is bad", '
            'rejected with system:104 (Connection reset by peer): '
            'boost::system::system_error "Connection reset by peer [system:104]", '
            'rejected: int, '
            'timed out, '
            'rejected with asio.misc:2: boost::system::system_error "End of file [asio.misc:2]", '
            'fulfilled = {value = 60}}'))

    def test_outcomes_of_any_type(self):
        self.assertEqual(self.said("outcomes", "print pair"),
                         "std::tuple containing = {[1] = fulfilled, [2] = fulfilled = {value = 70}}")
        self.assertEqual(self.said("outcomes", "print word"), 'fulfilled = {value = "Loki"}')
        self.assertEqual(self.said("outcomes", "print not_started"), "not started")
        self.assertEqual(self.said("outcomes", "print result"), "rejected with generic:2 (No such file or directory)")

    def test_retried_says_how_often(self):
        said = self.said("outcomes", "print retried")
        self.assertTrue(said.startswith("7 inputs, 5 without a value, 5 retries = {"
                                        "[0] after 1 attempt = fulfilled = {value = 0}, "
                                        '[1] after 2 attempts = rejected: std::invalid_argument "row 1 is bad", '), said)

    def test_failures_name_their_input(self):
        said = self.said("outcomes", "print failures")
        self.assertIn('input 1, 2 attempts: rejected: std::invalid_argument "row 1 is bad"', said)
        self.assertIn("input 4, 2 attempts: timed out", said)

    COROUTINES = """
        *$fanout1 = when_all_settled of 7: 3 running, 2 settled, 2 not started; at most 3 at a time
            awaited by read_all(gate&)
            lane 0: input 0 = {id = 0, name = "Ann"}, in read(row const&, gate&) < find(row const&, gate&)
            lane 1: input 3 = {id = 3, name = "Dan"}, in read(row const&, gate&) < find(row const&, gate&)
            lane 2: input 4 = {id = 4, name = "Eve"}, in read(row const&, gate&) < find(row const&, gate&)
        """

    def test_suspended_coroutines_are_found_where_no_frame_knows_them(self):
        self.fan_outs("coroutines", self.COROUTINES)

    def test_a_fan_out_is_shown_by_print(self):
        self.assertEqual(self.said("coroutines", "print *$fanout1"), (
            'when_all_settled of 7: 3 running, 2 settled, 2 not started; at most 3 at a time = {'
            '[0] = lane 0: input 0 = {id = 0, name = "Ann"}, '
            '[1] = lane 1: input 3 = {id = 3, name = "Dan"}, '
            '[2] = lane 2: input 4 = {id = 4, name = "Eve"}}'))

    def test_a_fan_out_is_shown_by_name(self):
        self.assertIn("when_all_settled of 7: 3 running", self.said("coroutines", "info fanouts *$fanout1"))

    def test_within_a_child(self):
        self.fan_outs("in a child", """
        *$fanout1 = when_all_settled of 7: 3 running, 3 settled, 1 not started; at most 3 at a time
            awaited by read_all(gate&)
            lane 0: input 5 = {id = 5, name = "Flo"}, in find(row const&, gate&)
            lane 1: input 3 = {id = 3, name = "Dan"}, in read(row const&, gate&) < find(row const&, gate&)
            lane 2: input 4 = {id = 4, name = "Eve"}, in read(row const&, gate&) < find(row const&, gate&)
        """)

    def test_operations_have_no_coroutine(self):
        self.fan_outs("operations", """
        *$fanout1 = when_all_settled of 3: 2 running, 0 settled, 1 not started; at most 2 at a time
            awaited by wait_all(gate&)
            lane 0: input 0 = 30
            lane 1: input 1 = 31
        """)

    def test_a_fan_out_within_a_fan_out(self):
        self.fan_outs("nested", """
        *$fanout1 = when_all of 2: 2 running, 0 settled, 0 not started
            awaited by nested(gate&)
            lane 0: input 0, in read(row const&, gate&) < find(row const&, gate&)
            lane 1: input 1
        *$fanout2 = when_all of 2: 2 running, 0 settled, 0 not started
            input 1 of *$fanout1
            lane 0: input 0 = {id = 0, name = "Ann"}, in read(row const&, gate&) < find(row const&, gate&)
            lane 1: input 1 = {id = 3, name = "Dan"}, in read(row const&, gate&) < find(row const&, gate&)
        """)

    def test_those_that_sleep(self):
        attempt = "fanout::basic_attempt<std::chrono::_V2::steady_clock> const&"
        self.fan_outs("retries", f"""
        *$fanout1 = retry_rejected of 3: 2 running, 1 asleep before another attempt, 0 settled, 0 not started
            awaited by try_all(gate&)
            lane 0: input 0 = 30, in try_again(int, {attempt}, gate&)
            lane 2: input 2 = 32, in try_again(int, {attempt}, gate&)
            asleep: input 1, before attempt 2
        """)

    def test_one_of_which_nothing_runs_is_found_by_its_timer(self):
        self.fan_outs("asleep", """
        *$fanout1 = retry_rejected of 3: 0 running, 1 asleep before another attempt, 2 settled, 0 not started
            awaited by try_all(gate&)
            asleep: input 1, before attempt 2
        """)

    def test_what_has_ended_is_not_shown(self):
        self.fan_outs("nothing runs", "no fan-out is to be seen from here")

    def test_a_context_that_nobody_runs(self):
        self.fan_outs("another context", "no fan-out is to be seen from here")
        self.fan_outs("another context", """
        *$fanout1 = when_all of 3: 2 running, 0 settled, 1 not started; at most 2 at a time
            lane 0: input 0 = 30, in wait_there(int)
            lane 1: input 1 = 31, in wait_there(int)
        """, "info fanouts another")


if __name__ == "__main__":
    GDB, PROGRAM = sys.argv[1:3]
    if sys.argv[3:] == ["--update"]:
        new = page_of(look(GDB, PROGRAM)[0])[1]
        with open(PAGE, "w", encoding="utf-8") as f:
            f.write(new)
        sys.exit()
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
