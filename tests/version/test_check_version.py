# SPDX-License-Identifier: BSL-1.0
"""scripts/check_version.py: finds each place that says another version."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

FILES = {
    "include/fanout/version.hpp": "#define FANOUT_VERSION 10203\n"
    "inline constexpr int version_major = 1;\n"
    "inline constexpr int version_minor = 2;\n"
    "inline constexpr int version_patch = 3;\n",
    "packaging/vcpkg/fanout/vcpkg.json": '{"name": "fanout", "version": "1.2.3"}\n',
    "conanfile.py": "class Recipe:\n    def set_version(self):\n        self.version = read()\n",
    "CHANGELOG.md": "# Changelog\n\n## Unreleased (1.2.3)\n\n## 1.2.2 - 2026-01-01\n",
    "README.md": "find_package(fanout 1.2 CONFIG REQUIRED)\n",
    "tests/consumer/CMakeLists.txt": "find_package(fanout 1.2 CONFIG REQUIRED)\nfind_package(fanout ${WANTED})\n",
}


class CheckVersion(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name, text):
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def run_script(self):
        return subprocess.run(
            [ROOT / "scripts/check_version.py", "--root", self.root],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_where_all_say_the_same_there_is_no_complaint(self):
        done = self.run_script()
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "fanout 1.2.3: 0 complaints\n", ""))

    def test_each_place_that_says_another_is_found(self):
        for name, right, wrong, said in (
            ("include/fanout/version.hpp", "10203", "10204", "version.hpp:1: says FANOUT_VERSION 10204, and not 10203"),
            ("include/fanout/version.hpp", "#define", "// ", "version.hpp: has no FANOUT_VERSION"),
            ("include/fanout/version.hpp", "version_patch", "patch", "version.hpp: has no version_patch"),
            ("packaging/vcpkg/fanout/vcpkg.json", "1.2.3", "1.2.2", "vcpkg.json: says 1.2.2, and not 1.2.3"),
            ("conanfile.py", "def set_version", 'version = "1.2.3"\n    def set_version', "conanfile.py:2: says version"),
            ("CHANGELOG.md", "1.2.3", "1.3.0", "CHANGELOG.md:3: says 1.3.0, and not 1.2.3"),
            ("CHANGELOG.md", "##", "#", "CHANGELOG.md: no heading names a version"),
            ("README.md", "1.2", "1.1", "README.md:1: says find_package(fanout 1.1, and not 1.2"),
            ("tests/consumer/CMakeLists.txt", "fanout 1.2", "fanout 1.2.3", "CMakeLists.txt:1: says find_package(fanout 1.2.3"),
        ):
            with self.subTest(wrong=wrong):
                self.write(name, FILES[name].replace(right, wrong))
                done = self.run_script()
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(said, done.stderr)
                self.write(name, FILES[name])

    def test_a_part_above_99_would_be_mistaken_for_another_version(self):
        text = FILES["include/fanout/version.hpp"].replace("patch = 3", "patch = 100").replace("10203", "10300")
        self.write("include/fanout/version.hpp", text)
        self.assertIn("FANOUT_VERSION 10300", self.run_script().stderr)


if __name__ == "__main__":
    unittest.main()
