# SPDX-License-Identifier: BSL-1.0
"""A recipe for Conan 2: `conan create .` in this folder puts the library into the local cache.

Not run by the tests, for they have no Conan. Tried by hand, with Conan 2.9 and a stand-in for Boost's package.
"""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load


class FanoutRecipe(ConanFile):
    name = "fanout"
    description = "Runs many Boost.Asio operations at once, bounded, and tells what became of each"
    license = "BSL-1.0"
    topics = ("asio", "boost", "coroutines", "concurrency", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    exports_sources = "LICENSE", "include/*", "share/*"
    no_copy_source = True

    def set_version(self):
        # The version has one home, the header that users compile against.
        header = load(self, os.path.join(self.recipe_folder, "include", "fanout", "version.hpp"))
        numbers = (re.search(rf"version_{part} = (\d+)", header)[1] for part in ("major", "minor", "patch"))
        self.version = ".".join(numbers)

    def requirements(self):
        self.requires("boost/[>=1.83 <2]")

    def validate(self):
        check_min_cppstd(self, 20)

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        copy(self, "*.hpp", os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))
        copy(self, "*.py", os.path.join(self.source_folder, "share"), os.path.join(self.package_folder, "share", "fanout"))

    def package_id(self):
        self.info.clear()  # the same headers whoever compiles them

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.requires = ["boost::headers"]
        self.cpp_info.set_property("cmake_file_name", "fanout")
        self.cpp_info.set_property("cmake_target_name", "fanout::fanout")
        self.cpp_info.set_property("pkg_config_name", "fanout")
        if self.settings.os in ("Linux", "FreeBSD"):
            self.cpp_info.system_libs = ["pthread"]
