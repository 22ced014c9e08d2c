# SPDX-License-Identifier: BSL-1.0
"""Builds the programs of benchmarks/, and tells what built them."""

import os
import re
import subprocess

from measure import MeasurementError, run

BUILD_SECONDS_AT_MOST = 3600


def configure(root, folder, tell):
    """What there is to build: (workload, target, program)."""
    tell("setup")
    if subprocess.run([root / "scripts/setup.sh", "bench"], check=False, stdout=subprocess.DEVNULL).returncode != 0:
        raise MeasurementError("scripts/setup.sh bench could not install what is missing (see above)")
    tell("cmake")
    programs = folder / "benchmarks/programs.tsv"
    programs.unlink(missing_ok=True)
    options = ["-DFANOUT_BUILD_TESTS=OFF", "-DFANOUT_BUILD_EXAMPLES=OFF", "-DFANOUT_BUILD_BENCHMARKS=ON"]
    run(["cmake", "-S", root, "--preset", "release", "-B", folder, *options])
    if not programs.exists():
        raise MeasurementError(f"cmake found no Google Benchmark: {folder} has no list of programs")
    return listed(programs)


def listed(programs):
    """The lines of the list that benchmarks/CMakeLists.txt writes."""
    try:
        lines = programs.read_text().splitlines()
    except OSError as error:
        raise MeasurementError(f"{programs}: {error.strerror}") from None
    return [(workload, target, path) for workload, _, target, path in (line.split("\t") for line in lines)]


def build(folder, targets, tell):
    tell(f"builds {len(targets)} programs")
    command = ["cmake", "--build", folder, "--parallel", str(os.cpu_count()), "--target", *targets]
    run(command, BUILD_SECONDS_AT_MOST)


def description(folder):
    """What the figures depend on: processor, compiler and versions."""
    cache = (folder / "CMakeCache.txt").read_text()

    def cached(name):
        found = re.search(rf"^{name}:\w+=(.*)$", cache, re.MULTILINE)
        return found[1] if found else ""

    compiler = cached("CMAKE_CXX_COMPILER")
    source = "#include <boost/version.hpp>\nfanout_boost BOOST_LIB_VERSION\n"
    boost = subprocess.run(
        [compiler, "-E", "-P", "-x", "c++", f"-I{cached('Boost_INCLUDE_DIR') or '.'}", "-"],
        input=source, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    found = re.search(r'fanout_boost "(.*)"', boost)
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        processor = re.search(r"^model name\s*: (.*)$", info.read(), re.MULTILINE)
    return {
        "processor": f"{processor[1] if processor else os.uname().machine}, {os.cpu_count()} of them",
        "compiler": run([compiler, "--version"]).stdout.splitlines()[0],
        "flags": cached("CMAKE_CXX_FLAGS_RELEASE"),
        "Boost": found[1].replace("_", ".") if found else "unknown",
        "valgrind": run(["valgrind", "--version"]).stdout.strip().removeprefix("valgrind-"),
    }
