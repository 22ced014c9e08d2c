# SPDX-License-Identifier: BSL-1.0
"""Sleepers one after another take the sum of their times, all at once the longest, and none sleeps on after a failure."""

import os
import re
import resource
import signal
import time
import unittest

from experiments import PROGRAM, ExperimentTest, Pictures, finish, run, run_undisturbed, start
from processes import end_with_parent

# More than that would be another sleeper.
HALF_A_UNIT = 0.5

NAP = re.compile(r"^  at ([\d.]+) the sleeper of (\d) (woke|failed|was cancelled)$", re.MULTILINE)
DRAWN = ("one after another", "when_all", "when_all, one fails", "when_all_settled, one fails")
PARTS = ("one after another", "when_all", "when_all, and the third of four fails",
         "when_all_settled, and the third of four fails")


class Sleepers(ExperimentTest):
    @classmethod
    def setUpClass(cls):
        cls.pictures = Pictures(cls)
        cls.result = run_undisturbed(PROGRAM, "--unit", "100ms", *cls.pictures.options)

    def assert_units(self, told, units):
        self.assertAlmostEqual(float(told), units, delta=HALF_A_UNIT, msg=self.result)

    def assert_naps(self, part, *naps):
        """In that part these slept, and ended in that order, at that time, and that way."""
        follows = self.result.output.split(f"{part}:\n")[1]
        told = NAP.findall(follows[:follows.index("\n|")])
        self.assertEqual([(int(who), how) for _, who, how in told], [(who, how) for _, who, how in naps], self.result)
        for (at, _, _), (units, _, _) in zip(told, naps):
            self.assert_units(at, units)

    def test_all_came_out_as_it_should(self):
        self.assert_right(self.result)
        # 6, 3, 3 and 4 units, by a clock of ours, and the start of a process.
        self.assertAlmostEqual(self.result.seconds / 0.1, 16, delta=4 * HALF_A_UNIT, msg=self.result)

    def test_one_after_another_they_take_the_sum(self):
        self.assert_naps(PARTS[0], (3, 3, "woke"), (5, 2, "woke"), (6, 1, "woke"))
        self.assert_units(self.result.ours("sleepers: one after another").removesuffix(" units"), 6)

    def test_all_at_once_they_take_the_longest(self):
        self.assert_naps(PARTS[1], (1, 1, "woke"), (2, 2, "woke"), (3, 3, "woke"))
        self.assert_units(self.result.ours("sleepers: when_all").removesuffix(" units"), 3)

    def test_after_a_failure_the_fourth_is_cancelled_and_nobody_sleeps_on(self):
        self.assert_naps(PARTS[2], (1, 1, "woke"), (2, 2, "woke"), (3, 3, "failed"), (3, 4, "was cancelled"))
        ours = self.result.ours("sleepers: when_all, the third of four fails")
        told = re.fullmatch(r"rejected at ([\d.]+) units; asleep then: 0", ours)
        self.assertTrue(told, ours)
        self.assert_units(told[1], 3)

    def test_settled_all_four_end_in_their_own_way(self):
        self.assert_naps(PARTS[3], (1, 1, "woke"), (2, 2, "woke"), (3, 3, "failed"), (4, 4, "woke"))
        took, states = self.result.ours("sleepers: when_all_settled").split(" units: ")
        self.assertEqual(states, "fulfilled fulfilled rejected fulfilled")
        self.assert_units(took, 4)

    def test_each_part_is_drawn_and_traced(self):
        attempts = dict(zip(DRAWN, (3, 3, 4, 4)))
        trace = self.assert_pictures(self.pictures, *DRAWN, attempts=attempts)
        ends = {name: max(found.end for (process, _), (_, row) in trace["rows"].items() for found in row
                          if trace["processes"][process] == name) for name in DRAWN}
        for part, units in zip(DRAWN, (6, 3, 3, 4)):
            self.assert_units(ends[part] / 100_000, units)

    def test_bad_units_are_refused(self):
        for unit in ("0s", "fast", "2h"):
            with self.subTest(unit):
                self.assert_one_line(run(PROGRAM, "--unit", unit), 2, "--unit")

    def test_help(self):
        told = run(PROGRAM, "--help")
        self.assertEqual((told.status, told.errors), (0, ""), told)
        self.assertIn("--unit TIME", told.output)


class Files(ExperimentTest):
    """What every experiment does with --trace and --waterfall, --only, --quiet and --json."""

    def setUp(self):
        self.pictures = Pictures(self)

    def run_it(self, *more, **options):
        return run_undisturbed(PROGRAM, "--unit", "50ms", *more, **options)

    def test_json_is_all_there_is_and_adds_up(self):
        result = self.run_it("--json", "--quiet", *self.pictures.options)
        self.assert_right(result)
        parts = self.assert_report(result, "sleepers", *DRAWN)
        self.assertEqual([parts[name]["peak_in_flight"] for name in DRAWN], [1, 3, 4, 4])
        self.assertEqual([parts[name]["cancelled"] for name in DRAWN], [0, 0, 1, 0])
        self.assertEqual(len(result.rows), 4)
        self.assert_pictures(self.pictures, *DRAWN, attempts={name: parts[name]["attempts"] for name in DRAWN})

    def test_quiet_prints_the_rows_alone(self):
        result = self.run_it("--quiet")
        self.assertEqual((result.status, result.errors), (0, ""), result)
        self.assertEqual(len(result.rows), 4)
        self.assertEqual(len(result.output.splitlines()), 4, result)

    def test_some_parts_only(self):
        result = self.run_it(*self.pictures.options, "--only", DRAWN[1], "--only", DRAWN[0])
        self.assert_right(result)
        self.assert_pictures(self.pictures, *DRAWN[:2])

    def test_a_part_that_there_is_not(self):
        self.pictures.waterfall.write_text("of yesterday")
        result = self.run_it("--waterfall", self.pictures.waterfall, "--only", "nothing")
        self.assert_one_line(result, 1, "--only: nothing that ran is named 'nothing'; there is 'one after another'")
        self.assertEqual(self.pictures.waterfall.read_text(), "of yesterday")

    def test_what_cannot_be_written_is_refused_before_anything_runs(self):
        folder = self.pictures.folder
        file = folder / "file"
        file.write_text("as it was")
        for option in ("--trace", "--waterfall"):
            for name, why in ((folder / "nowhere" / "x", "No such file or directory"), (folder, "Is a directory"),
                              (file / "x", "Not a directory"), ("", "No such file or directory"),
                              (folder / ("x" * 300), "File name too long")):
                with self.subTest(f"{option} {name}"):
                    result = run(PROGRAM, option, name)
                    self.assert_one_line(result, 2, f"^sleepers: {option}: cannot write '{name}': {why}")
                    self.assertEqual(result.output, "")
        self.assert_one_line(run(PROGRAM, "--trace", file, "--waterfall", f"{folder}/./file"), 2, "what --trace writes")
        self.assertEqual([path.name for path in folder.iterdir()], ["file"])
        self.assertEqual(file.read_text(), "as it was")

    @unittest.skipIf(os.getuid() == 0, "root may write everywhere")
    def test_what_may_not_be_written(self):
        self.pictures.trace.touch(0o400)
        self.assert_one_line(run(PROGRAM, "--trace", self.pictures.trace), 2, "--trace: .*: Permission denied")

    def test_a_full_disk(self):
        result = self.run_it("--trace", self.pictures.trace, "--waterfall", "/dev/full")
        self.assert_one_line(result, 1, "^sleepers: --waterfall: cannot write '/dev/full': No space left on device$")
        self.assertEqual(len(result.rows), 4)
        self.assertTrue(self.pictures.trace.exists())
        with open("/dev/full", "w") as full:
            result = finish(start(PROGRAM, "--unit", "50ms", "--json", stdout=full))
        self.assert_one_line(result, 1, "cannot write to standard output")

    def test_half_a_file_is_none(self):
        def allow_files_of_1_kib():
            end_with_parent()
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

        self.pictures.trace.write_text("of yesterday")
        result = finish(start(PROGRAM, "--unit", "50ms", *self.pictures.options, preexec_fn=allow_files_of_1_kib))
        self.assertEqual(result.status, 1)
        self.assertRegex(result.errors, "--trace: cannot write .*: File too large\nsleepers: --waterfall: .*: File too")
        self.assertEqual([path.name for path in self.pictures.folder.iterdir()], ["trace.json"])
        self.assertEqual(self.pictures.trace.read_text(), "of yesterday")

    def test_a_file_is_replaced_whole_and_keeps_its_place_and_mode(self):
        there = self.pictures.folder / "there.svg"
        there.write_text("of yesterday" * 10_000)
        there.chmod(0o640)
        self.pictures.waterfall.symlink_to(there.name)
        self.assert_right(self.run_it("--waterfall", self.pictures.waterfall))
        self.assertTrue(self.pictures.waterfall.is_symlink())
        self.assertTrue(there.read_text().endswith("</svg>\n"))
        self.assertEqual(there.stat().st_mode & 0o777, 0o640)

    def test_standard_output_has_the_rows_first(self):
        both = self.pictures.folder / "both"
        with open(both, "w") as file:
            result = finish(start(PROGRAM, "--unit", "50ms", "--waterfall", "/dev/stdout", stdout=file))
        self.assertEqual((result.status, result.errors), (0, ""), result)
        piped = finish(start(PROGRAM, "--unit", "50ms", "--quiet", "--waterfall", "/dev/stdout"))
        for output in (both.read_text(), piped.output):
            self.assertLess(output.rindex("| sleepers: when_all_settled |"), output.index("<svg"))
            self.assertTrue(output.endswith("</svg>\n"), output[-100:])
        self.assertTrue(piped.output.startswith("| sleepers: one after another |"))
        self.assert_one_line(run(PROGRAM, "--json", "--trace", "/dev/stdout"), 2, "--json")

    def test_what_came_out_wrong_is_drawn_as_well(self):
        # It is held up for a second, 20 units.
        running = start(PROGRAM, "--unit", "50ms", "--json", *self.pictures.options)
        time.sleep(0.1)
        running.send_signal(signal.SIGSTOP)
        time.sleep(1)
        running.send_signal(signal.SIGCONT)
        result = finish(running, record=False)
        self.assert_one_line(result, 1, "not everything came out as it should")
        self.assert_report(result, "sleepers", *DRAWN)
        self.assert_pictures(self.pictures, *DRAWN)


if __name__ == "__main__":
    unittest.main(verbosity=2)
