# SPDX-License-Identifier: BSL-1.0
"""What scripts/bench.sh runs: builds, measures, prints. The pieces are beside it."""

import argparse
import concurrent.futures
import os
import shutil
import sys
from pathlib import Path

import bounds as bounds_file
import build
import measure
import table

ROOT = Path(__file__).resolve().parent.parent.parent
WRITTEN = ROOT / "docs/benchmarks/table.md"


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench.sh",
        description="What a fan-out costs beside its alternatives: one Markdown table, and the bounds.",
        epilog="Exit status 1 where a bound is missed or something could not be measured, 2 where an argument is wrong.",
    )
    parser.add_argument("--quick", action="store_true", help="only the workloads that have a bound")
    parser.add_argument("--only", action="append", default=[], metavar="WORKLOAD[/CONTENDER]",
                        help="only this workload, or this contender and its floor; may be given several times")  # fmt: skip
    parser.add_argument("--part", choices=bounds_file.PARTS,
                        help="only the bounds, and of them those that depend on what else the machine does, times; or those that do not")  # fmt: skip
    parser.add_argument("--build-only", action="store_true", help="builds, and measures nothing")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N",
                        help="so many compilers and callgrinds at a time; by default one for each processor")  # fmt: skip
    parser.add_argument("--svg", type=Path, metavar="FOLDER", help="also plots, and the figures as results.tsv")
    parser.add_argument("--write", action="store_true", help=f"also writes {WRITTEN.relative_to(ROOT)}")
    parser.add_argument("--no-worse", type=float, metavar="PERCENT",
                        help="status 1 only where a figure is more than this above its bound or, where that is known to be "
                             "missed, above what was reached so far")  # fmt: skip
    parser.add_argument("--bounds", type=Path, default=ROOT / "benchmarks/bounds.toml", metavar="FILE",
                        help="other bounds than benchmarks/bounds.toml")  # fmt: skip
    parser.add_argument("--build", type=Path, default=ROOT / "build/bench", metavar="FOLDER",
                        help="where to build; by default build/bench")  # fmt: skip
    parser.add_argument("--programs", type=Path, metavar="FILE",
                        help="a list of built programs, as the build folder's benchmarks/programs.tsv: nothing is built")  # fmt: skip
    given = parser.parse_args()
    if given.write and (given.only or given.programs):
        parser.error("--write is for the whole table: not with --only or --programs")
    if given.part and (given.write or given.svg):
        parser.error("--part is for the bounds: not with --write or --svg")
    if given.build_only and given.programs:
        parser.error("--build-only: with --programs nothing is built")
    if given.jobs < 1:
        parser.error("--jobs is a number from 1 on")
    if given.svg:
        if shutil.which("gnuplot") is None and given.programs:
            parser.error("--svg needs gnuplot")
        try:
            given.svg.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"--svg {given.svg}: {error.strerror}")
    return parser, given


class Progress:
    """One line on a terminal that is written over; nothing anywhere else."""

    def __init__(self):
        self.shown = sys.stderr.isatty()

    def __call__(self, text):
        if self.shown:
            print(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)

    def end(self):
        self("")


def wanted_by(asked, name):
    """Whether --only asks for this contender: `window` for all, `window/loop` for its variants as well."""
    return not asked or any(name == only or name.startswith((only + "/", only + "@")) for only in asked)


def chosen_programs(parser, given, listed, bounds):
    """Those that are to be built: which contenders they have is known only then."""
    workloads = {name.partition("/")[0] for name, _, _ in listed}
    for only in given.only:
        if only.partition("/")[0] not in workloads:
            parser.error(f"--only {only}: there is no such workload, but {', '.join(sorted(workloads))}")
    asked = {only.partition("/")[0] for only in given.only} or workloads
    if given.quick:
        asked &= {name.partition("/")[0] for bound in bounds for name in bound.names}
        if not asked:
            parser.error(f"--quick: {', '.join(given.only)} has no bound")
    listed = [line for line in listed if line[0].partition("/")[0] in asked]
    if given.part:
        for only in given.only:
            if not any(bound.of and wanted_by([only], bound.of) for bound in bounds):
                parser.error(f"--part {given.part}: {only} has no such bound")
        named = {name.partition("@")[0] for bound in bounds for name in bound.names}
        listed = [line for line in listed if line[0] in named]
    return listed


def chosen_contenders(parser, given, known, bounds):
    """Those that --only asks for, what they are compared with, and the bounds about them."""
    for only in given.only:
        if not any(wanted_by([only], name) for name in known):
            parser.error(f"--only {only}: there is no such contender, but {', '.join(sorted(known))}")
    chosen = {name for name in known if wanted_by(given.only, name)} if not given.part else set()
    bounds = [b for b in bounds if not given.only or (b.of and wanted_by(given.only, b.of))]
    for name in [name for bound in bounds for name in bound.names]:
        if name not in known:
            raise measure.MeasurementError(f"{given.bounds}: no program has the contender {name}")
        chosen.add(name)
    if not given.part:
        chosen |= {known[name].floor for name in chosen if known[name].floor}
    for name in chosen - set(known):
        raise measure.MeasurementError(f"no program has the contender {name}, a floor")
    return [contender for name, contender in known.items() if name in chosen], bounds


def measured_rows(contenders, given, tell):
    """The rows of the table; with --part without what is not of that part."""
    rows = {contender.name: table.Row(contender) for contender in contenders}
    done = 0

    def count(row):
        nonlocal done
        row.instructions = row.contender.instructions()
        row.counts = row.contender.counts()
        if given.part:
            row.contender.seconds(0.001)  # that it can be timed, not what the time is
        done += 1
        tell(f"instructions and allocations: {done} of {len(rows)}, {row.contender.name}")

    # Counts do not depend on what runs beside them.
    if given.part != "times":
        with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
            for waited in [pool.submit(count, row) for row in rows.values()]:
                waited.result()
        for row in rows.values():
            if row.contender.floor in rows:
                row.instructions_ratio = row.instructions / rows[row.contender.floor].instructions
    if given.part:
        return rows

    quick = given.quick
    for workload in dict.fromkeys(contender.workload for contender in contenders):
        these = [contender for contender in contenders if contender.workload == workload]
        times = measure.interleaved(these, 5 if quick else 11, 0.02 if quick else 0.1, tell)
        for contender in these:
            row = rows[contender.name]
            row.seconds = sorted(times[contender.name])[len(times[contender.name]) // 2]
            if contender.floor:
                row.time_ratio = measure.median_ratio(times, contender.name, contender.floor)
    return rows


def figure_of(bound, rows, tell):
    """The number that the bound is about."""
    if bound.measure == "command":
        tell(" ".join(bound.command))
        said = measure.run([str(ROOT / bound.command[0]), *bound.command[1:]], 1200).stdout
        try:
            return float(said)
        except ValueError:
            raise measure.MeasurementError(f"{' '.join(bound.command)}\n  printed no number: {said.strip()}") from None
    row = rows[bound.of]
    if bound.measure == "time":
        pair = [row.contender, rows[bound.to].contender]
        return measure.median_ratio(measure.interleaved(pair, 15, 0.05, tell), bound.of, bound.to)
    if bound.measure == "peak growth":
        tell(f"peak memory: {bound.of}")
        peaks = [row.contender.counts(children)["peak_live_bytes"][0] for children in bound.children]
        return max(peaks) / peaks[0]
    if bound.measure == "result overhead":
        return row.counts["peak_live_bytes_per_child"] - row.counts["result_bytes"]
    value = {"instructions": lambda r: r.instructions, "allocations": lambda r: r.counts["allocations_per_child"]}
    figure = value[bound.measure](row)
    return figure / value[bound.measure](rows[bound.to]) if bound.to else figure


def plot(folder, rows, tell):
    data = folder / "results.tsv"
    data.write_text(table.tsv(rows.values()))
    for file in sorted((ROOT / "benchmarks/plots").glob("*.gnuplot")):
        if not file.name.startswith("_"):
            tell(f"plots {file.stem}")
            picture = folder / f"{file.stem}.svg"
            measure.run(["gnuplot", "-e", f"data='{data}'; output_file='{picture}'", file])


def about(given):
    """What the figures depend on, and how to make them anew, less the options that say where."""
    options = ["--quick"] if given.quick else []
    options += [f"--only {only}" for only in given.only]
    options += [f"--part {given.part}"] if given.part else []
    command = " ".join(["scripts/bench.sh", *options])
    if given.programs:
        return f"Measured by `{command}`.\n"
    on = build.description(given.build)
    return (
        f"Measured by `{command}`: {on['processor']}; {on['compiler']}, {on['flags']}; Boost {on['Boost']};\n"
        f"valgrind {on['valgrind']}.\n"
    )


HOW_TO_READ = """All of it is per child, or per pair of children, but the peak, which is what lives at once in one run. The names are
those of `benchmarks/<workload>/<contender>.cpp`, behind an `@` a variant. The ratios of time and of instructions are to
the floor of the workload, whose own ratio is 1; those of time are medians of runs that take turns. Instructions are
those of the process, not of the kernel.
"""


def main():
    parser, given = arguments()
    tell = Progress()
    try:
        bounds = bounds_file.load(given.bounds)
        if given.part:
            bounds = [bound for bound in bounds if bound.measure in bounds_file.PARTS[given.part]]
    except bounds_file.BadBounds as error:
        parser.error(str(error))
    try:
        listed = build.listed(given.programs) if given.programs else build.configure(ROOT, given.build, tell)
        listed = chosen_programs(parser, given, listed, bounds)
        if not given.programs:
            build.build(given.build, [target for _, target, _ in listed], given.jobs, tell)
        if given.build_only:
            tell.end()
            return 0
        known = {c.name: c for _, _, program in listed for c in measure.contenders_of(program)}
        contenders, bounds = chosen_contenders(parser, given, known, bounds)
        rows = measured_rows(contenders, given, tell)
        verdicts = [bounds_file.judge(bound, figure_of(bound, rows, tell)) for bound in bounds]
        if given.svg:
            plot(given.svg, rows, tell)
        text = f"{about(given)}\n"
        if given.part != "times":
            text += f"{HOW_TO_READ}\n{table.results(rows.values())}"
        if verdicts:
            text += f"\n{table.bounds(verdicts)}"
        if given.write:
            WRITTEN.parent.mkdir(parents=True, exist_ok=True)
            WRITTEN.write_text(f"# What a fan-out costs\n\n{text}")
    except measure.MeasurementError as error:
        tell.end()
        print(f"scripts/bench.sh: could not measure: {error}", file=sys.stderr)
        return 1
    tell.end()
    print(text, end="")
    missed = [verdict for verdict in verdicts if not verdict.held]
    for verdict in missed:
        if verdict.bound.because:
            print(f"\nMISS, {verdict.bound.says}: {verdict.bound.because}")
    if missed:
        print(f"scripts/bench.sh: {len(missed)} of {len(verdicts)} bounds missed", file=sys.stderr)
    if given.no_worse is not None:
        missed = [verdict for verdict in verdicts if not verdict.no_worse(given.no_worse)]
        for verdict in missed:
            print(f"scripts/bench.sh: worse than it was: {verdict.bound.says}: {verdict.figure}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
