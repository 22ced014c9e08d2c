# SPDX-License-Identifier: BSL-1.0
"""Builds the programs of benchmarks/, and tells what built them."""

import os
import re
import subprocess

from measure import MeasurementError, run

BUILD_SECONDS_AT_MOST = 3600

ASK_FOR_VERSIONS = """#include <boost/version.hpp>
fanout_boost BOOST_LIB_VERSION
#ifdef __clang__
fanout_clang __clang_version__
#else
fanout_gcc __VERSION__
#endif
"""


def configure(root, folder, tell):
    """What there is to build: (workload/contender, target, program)."""
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
    return [(f"{workload}/{contender}", target, path) for workload, contender, target, path in (line.split("\t") for line in lines)]


def build(folder, targets, jobs, tell):
    tell(f"builds {len(targets)} programs")
    command = ["cmake", "--build", folder, "--parallel", str(jobs), "--target", *targets]
    run(command, BUILD_SECONDS_AT_MOST)


def description(folder):
    """What the figures depend on: processor, compiler and versions."""
    cache = (folder / "CMakeCache.txt").read_text()

    def cached(name):
        found = re.search(rf"^{name}:\w+=(.*)$", cache, re.MULTILINE)
        return found[1] if found else ""

    compiler = cached("CMAKE_CXX_COMPILER")
    preprocessed = subprocess.run(
        [compiler, "-E", "-P", "-x", "c++", f"-I{cached('Boost_INCLUDE_DIR') or '.'}", "-"],
        input=ASK_FOR_VERSIONS, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip

    def version(of):
        found = re.search(rf'^fanout_{of} "(.*)"', preprocessed, re.MULTILINE)
        return found[1].replace("_", ".") if found else "unknown"

    with open("/proc/cpuinfo", encoding="utf-8") as info:
        processor = re.search(r"^model name\s*: (.*)$", info.read(), re.MULTILINE)
    return {
        "processor": f"{processor[1] if processor else os.uname().machine}, {os.cpu_count()} processors",
        "compiler": f"clang++ {version('clang')}" if "fanout_clang" in preprocessed else f"g++ {version('gcc')}",
        "flags": cached("CMAKE_CXX_FLAGS_RELEASE"),
        "Boost": version("boost"),
        "valgrind": run(["valgrind", "--version"]).stdout.strip().removeprefix("valgrind-"),
    }
