# SPDX-License-Identifier: BSL-1.0
"""scripts/bench.sh on programs that tell what they are told to: which table it prints, and when it fails."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# A contender of a benchmark: each child takes `instructions`, and so on. What fails is the option in `fails`.
PROGRAM = """#!/bin/sh
[ "$1" = "{fails}" ] && {{ echo "no such luck" >&2; exit 3; }}
case $1 in
--list) printf '{name}\\t{floor}\\tchild\\t1000\\n' ;;
--run) echo $((5000 + {instructions} * $3)) ;;
--count) cat <<END
{{"allocations_per_child": {allocations}, "bytes_per_child": 16, "peak_live_bytes": [$(({peak} + {growth} * $3)), 0],
 "peak_live_bytes_per_child": {per_child}, "result_bytes": 40}}
END
;;
*) echo '{{"benchmarks": [{{"name": "{name}/1000", "cpu_time": {time}, "real_time": 1, "time_unit": "us"}}]}}' ;;
esac
"""

VALGRIND = """#!/bin/sh
shift 2
echo "==1== Collected : $("$@")" >&2
"""

GNUPLOT = """#!/bin/sh
echo "$@" >>"$FAKE_GNUPLOT_LOG"
"""


class Table(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.lines = []
        (self.folder / "bin").mkdir()
        self.script("bin/valgrind", VALGRIND)
        self.script("bin/gnuplot", GNUPLOT)
        self.contender("work/loop")

    def script(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def contender(self, name, floor="work/loop", **told):
        defaults = dict(fails="", instructions=100, allocations=0, peak=4096, growth=0, per_child=41, time=500)
        workload, _, short = name.partition("/")
        path = self.script(name.replace("/", "_"), PROGRAM.format(name=name, floor=floor, **defaults | told))
        self.lines = [line for line in self.lines if str(path) not in line]
        self.lines.append(f"{workload}\t{short}\tbench_{workload}_{short}\t{path}\n")

    def bound(self, **told):
        told = dict(says="the bound", measure="instructions", of="work/ours", to="work/loop", at_most=1.12) | told
        said = "\n".join(f"{key} = {value!r}" for key, value in told.items() if value != "")
        with open(self.folder / "bounds.toml", "a", encoding="utf-8") as file:
            file.write(f"[[bound]]\n{said}\n")

    def run_it(self, *arguments):
        (self.folder / "programs.tsv").write_text("".join(self.lines))
        environment = os.environ | {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "FAKE_GNUPLOT_LOG": str(self.folder / "gnuplot.log"),
        }
        return subprocess.run(
            [ROOT / "scripts/bench.sh", "--programs", self.folder / "programs.tsv",
             "--bounds", self.folder / "bounds.toml", *arguments],
            capture_output=True, text=True, timeout=120, check=False, env=environment,
        )  # fmt: skip

    def assert_held(self, done, figure):
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, rf"\| the bound \| {re.escape(figure)} \| .* \| ok \|")
        self.assertEqual(done.stderr, "")

    def assert_missed(self, done, figure):
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, rf"\| the bound \| {re.escape(figure)} \| .* \| MISS \|")
        self.assertIn("bounds missed", done.stderr)

    def assert_not_measured(self, done, *said):
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "")
        for text in said:
            self.assertIn(text, done.stderr)

    # Bounds

    def test_what_is_known_to_be_missed_is_a_miss_still_and_may_not_get_worse(self):
        self.contender("work/ours", instructions=120)
        self.bound(so_far=1.19, because="it has to")
        self.assert_missed(self.run_it(), "1.2 ×")
        as_it_was = self.run_it("--no-worse", "1")
        self.assertEqual(as_it_was.returncode, 0, as_it_was.stderr)
        self.assertRegex(as_it_was.stdout, r"\| the bound \| .* \| MISS \|")
        self.assertIn("MISS, the bound: it has to", as_it_was.stdout)
        worse = self.run_it("--no-worse", "0")
        self.assertEqual(worse.returncode, 1)
        self.assertIn("worse than it was: the bound: 1.2", worse.stderr)

    def test_no_worse_than_a_bound_is_within_it(self):
        self.contender("work/ours", instructions=113)
        self.bound()
        self.assertEqual(self.run_it("--no-worse", "1").returncode, 0)
        self.assertEqual(self.run_it("--no-worse", "0.5").returncode, 1)

    def test_a_miss_that_is_known_says_why(self):
        self.contender("work/ours", instructions=112)
        self.bound(so_far=1.2)
        done = self.run_it()
        self.assertEqual(done.returncode, 2)
        self.assertIn("`because` says why", done.stderr)

    def test_a_ratio_of_instructions_within_its_bound_is_ok(self):
        self.contender("work/ours", instructions=112)
        self.bound()
        self.assert_held(self.run_it(), "1.12 ×")

    def test_a_ratio_of_instructions_above_its_bound_is_a_miss(self):
        self.contender("work/ours", instructions=113)
        self.bound()
        self.assert_missed(self.run_it(), "1.13 ×")

    def test_a_number_of_instructions(self):
        self.contender("work/ours", instructions=350)
        self.bound(to="", at_most=350)
        self.assert_held(self.run_it(), "350 instructions")
        self.contender("work/ours", instructions=351)
        self.assert_missed(self.run_it(), "351 instructions")

    def test_one_allocation_in_a_thousand_children_is_one_too_many(self):
        self.bound(measure="allocations", to="", at_most=0)
        self.contender("work/ours", allocations=0.0001)  # one in a run, not of each child
        self.assert_held(self.run_it(), "0 allocations")
        self.contender("work/ours", allocations=0.001)
        self.assert_missed(self.run_it(), "0.001 allocations")

    def test_time(self):
        self.bound(measure="time", at_most=0.6)
        self.contender("work/ours", time=290)
        self.assert_held(self.run_it(), "0.58 ×")
        self.contender("work/ours", time=310)
        self.assert_missed(self.run_it(), "0.62 ×")

    def test_what_is_kept_beside_the_results(self):
        self.bound(measure="result overhead", to="", at_most=8)
        self.contender("work/ours", per_child=48)
        self.assert_held(self.run_it(), "8 bytes")
        self.contender("work/ours", per_child=48.5)
        self.assert_missed(self.run_it(), "8.5 bytes")

    def test_memory_that_grows_with_the_children(self):
        self.bound(measure="peak growth", to="", children=[1000, 100000], at_most=1.0)
        self.contender("work/ours")
        self.assert_held(self.run_it(), "1 ×")
        self.contender("work/ours", growth=1)
        self.assertEqual(self.run_it().returncode, 1)

    def test_a_command_that_prints_a_number(self):
        self.bound(measure="command", of="", to="", command=["/bin/echo", "1.1"], at_most=1.15)
        self.assert_held(self.run_it(), "1.1 ×")

    def test_a_command_that_prints_a_number_above_its_bound(self):
        self.bound(measure="command", of="", to="", command=["/bin/echo", "1.2"], at_most=1.15)
        self.assert_missed(self.run_it(), "1.2 ×")

    def test_one_miss_among_bounds_that_hold_is_a_miss(self):
        self.contender("work/ours", instructions=105)
        self.bound(says="another")
        self.bound(at_most=1.04)
        self.bound(says="a third")
        done = self.run_it()
        self.assert_missed(done, "1.05 ×")
        self.assertEqual(done.stdout.count("| ok |"), 2)
        self.assertIn("1 of 3 bounds missed", done.stderr)

    # The table

    def test_the_table_has_a_line_for_each_contender(self):
        self.contender("work/ours", instructions=120, allocations=2, time=1250)
        self.bound(at_most=2)
        done = self.run_it()
        self.assertIn("| work | `loop` | 1.00 × | 100 | 1.00 × | 0 | 16 | 4 |", done.stdout)
        self.assertIn("| work | `ours` | 2.50 × | 120 | 1.20 × | 2 | 16 | 4 |", done.stdout)

    def test_only_one_contender_brings_its_floor_and_its_bounds(self):
        self.contender("work/ours")
        self.contender("work/other")
        self.contender("rest/loop", floor="rest/loop")
        self.bound()
        self.bound(says="of another", of="work/other")
        done = self.run_it("--only", "work/ours")
        self.assert_held(done, "1 ×")
        self.assertEqual(re.findall(r"`(\w+)` \|", done.stdout), ["loop", "ours"])
        self.assertNotIn("of another", done.stdout)

    def test_quick_leaves_out_the_workloads_without_a_bound(self):
        self.contender("work/ours")
        self.contender("rest/loop", floor="rest/loop", fails="--list")
        self.bound()
        done = self.run_it("--quick")
        self.assert_held(done, "1 ×")
        self.assertNotIn("rest", done.stdout)

    def test_the_parts_have_each_bound_once_and_only_what_it_is_about(self):
        self.contender("work/ours", time=290)
        self.contender("work/other", fails="--list")
        self.bound(says="counted", at_most=1)
        self.bound(says="timed", measure="time", at_most=0.6)
        self.bound(says="said", measure="command", command=["/bin/echo", "7"], of="", to="", at_most=7)
        times = self.run_it("--part", "times", "--jobs", "1")
        self.assertEqual((times.returncode, times.stderr), (0, ""))
        self.assertEqual(re.findall(r"^\| (counted|timed|said) \|", times.stdout, re.MULTILINE), ["timed", "said"])
        self.assertNotIn("`loop`", times.stdout)
        counts = self.run_it("--part", "counts", "--jobs", "1")
        self.assertEqual((counts.returncode, counts.stderr), (0, ""))
        self.assertEqual(re.findall(r"^\| (counted|timed|said) \|", counts.stdout, re.MULTILINE), ["counted"])
        self.assertNotIn("`other`", counts.stdout)
        self.assertRegex(counts.stdout, r"\| work \| `ours` \| – \| 100 \| 1.00 × \| 0 \|")
        self.contender("work/ours", instructions=101, time=310)
        for part in ("times", "counts"):
            done = self.run_it("--part", part)
            self.assertEqual((done.returncode, done.stdout.count("MISS")), (1, 1), done)

    def test_the_part_that_is_counted_needs_no_floor_that_no_bound_names(self):
        self.contender("work/loop", fails="--list")
        self.contender("work/ours")
        self.bound(to="", at_most=100)
        done = self.run_it("--part", "counts")
        self.assert_held(done, "100 instructions")
        self.assertNotIn("`loop`", done.stdout)

    def test_the_part_that_is_counted_takes_no_contender_that_cannot_be_timed(self):
        self.contender("work/ours", fails="--benchmark_filter=^work/ours/1000(/|$)")
        self.bound()
        self.assert_not_measured(self.run_it("--part", "counts"), "no such luck")

    def test_the_plots_get_all_figures(self):
        self.contender("work/ours@7", instructions=120)
        self.bound(of="work/ours@7", at_most=2)
        done = self.run_it("--svg", str(self.folder / "pictures"))
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = (self.folder / "pictures/results.tsv").read_text().splitlines()
        self.assertEqual(lines[0].split("\t"), ["workload", "contender", "size", "metric", "value", "ratio"])
        self.assertIn("work\tours\t7\tinstructions\t120\t1.2000", lines)
        self.assertIn("work\tloop\t1000\ttime\t5e-07\t1.0000", lines)
        plots = [file for file in (ROOT / "benchmarks/plots").glob("*.gnuplot") if not file.name.startswith("_")]
        log = self.folder / "gnuplot.log"
        called = log.read_text() if log.exists() else ""
        for file in plots:
            self.assertIn(f"/pictures/{file.stem}.svg", called)

    # What cannot be measured

    def test_a_program_that_fails_is_no_figure(self):
        for option in ("--list", "--run", "--count", "--benchmark_filter=^work/ours/1000(/|$)"):
            with self.subTest(option):
                self.contender("work/ours", fails=option)
                self.bound()
                done = self.run_it()
                self.assert_not_measured(done, "could not measure", "work_ours", "no such luck")

    def test_a_callgrind_that_counts_nothing_is_no_figure(self):
        self.contender("work/ours")
        self.bound()
        self.script("bin/valgrind", "#!/bin/sh\necho no counts >&2\n")
        self.assert_not_measured(self.run_it(), "counted nothing", "no counts")

    def test_what_is_no_json_is_no_figure(self):
        self.contender("work/ours", allocations="many")
        self.bound()
        self.assert_not_measured(self.run_it(), "printed no JSON")

    def test_a_command_that_prints_no_number_is_no_figure(self):
        self.bound(measure="command", of="", to="", command=["/bin/echo", "much"], at_most=1.15)
        self.assert_not_measured(self.run_it(), "printed no number: much")

    def test_a_command_that_fails_is_no_figure(self):
        self.bound(measure="command", of="", to="", command=["/bin/false"], at_most=1.15)
        self.assert_not_measured(self.run_it(), "/bin/false", "status 1")

    def test_a_bound_of_a_contender_that_is_not_there_is_no_ok(self):
        self.bound()
        self.assert_not_measured(self.run_it(), "no program has the contender work/ours")

    # Arguments

    def assert_refused(self, done, *said):
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stdout, "")
        for text in said:
            self.assertIn(text, done.stderr)

    def test_wrong_arguments_are_refused(self):
        self.contender("work/ours")
        self.bound()
        self.assert_refused(self.run_it("--fast"), "--fast")
        self.assert_refused(self.run_it("rest"), "rest")
        self.assert_refused(self.run_it("--only", "rest"), "no such workload", "work")
        self.assert_refused(self.run_it("--only", "work/mine"), "no such contender", "work/ours")
        self.assert_refused(self.run_it("--only"), "--only")
        self.assert_refused(self.run_it("--write"), "--write")
        self.assert_refused(self.run_it("--part", "half"), "--part")
        self.assert_refused(self.run_it("--part", "counts", "--svg", "plots"), "--part")
        self.assert_refused(self.run_it("--part", "times", "--only", "work/ours"), "work/ours has no such bound")
        self.assert_refused(self.run_it("--build-only"), "--build-only")
        self.assert_refused(self.run_it("--jobs", "0"), "--jobs")
        self.assert_refused(self.run_it("--svg", "/dev/null/pictures"), "--svg /dev/null/pictures")
        self.assert_refused(self.run_it("--bounds", "/nowhere.toml"), "/nowhere.toml")

    def test_quick_of_a_workload_without_a_bound_is_refused(self):
        self.contender("work/ours")
        self.contender("rest/loop", floor="rest/loop")
        self.bound()
        self.assert_refused(self.run_it("--quick", "--only", "rest"), "rest has no bound")

    def test_bounds_that_say_nothing_sensible_are_refused(self):
        for wrong, said in (
            (dict(measure="speed"), "`measure` is one of"),
            (dict(at_most="1.12"), "`at_most` is a number"),
            (dict(of=""), "needs `of`"),
            (dict(measure="time", to=""), "it needs `to`"),
            (dict(measure="peak growth", to=""), "needs `children`"),
            (dict(limit=3), "limit"),
        ):
            with self.subTest(wrong):
                (self.folder / "bounds.toml").write_text("")
                self.bound(**wrong)
                self.assert_refused(self.run_it(), "the bound", said)
        (self.folder / "bounds.toml").write_text("bound = [")
        self.assert_refused(self.run_it(), "bounds.toml")

    def test_help_is_no_error(self):
        done = self.run_it("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--quick", done.stdout)


class Bounds(unittest.TestCase):
    def test_every_contender_with_a_bound_is_in_the_sources(self):
        text = (ROOT / "benchmarks/bounds.toml").read_text()
        names = set(re.findall(r'^(?:of|to) = "(.*)"$', text, re.MULTILINE))
        self.assertGreater(len(names), 20)
        for name in names:
            workload = ROOT / "benchmarks" / name.partition("/")[0]
            self.assertTrue(
                any(f'"{name}"' in source.read_text() for source in workload.glob("*.cpp")), f"no source has {name}"
            )


if __name__ == "__main__":
    unittest.main()
