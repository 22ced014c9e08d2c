# SPDX-License-Identifier: BSL-1.0
# An overlay port: vcpkg takes the library from the repository that this file is in.
#   vcpkg install fanout --overlay-ports=<fanout>/packaging/vcpkg
# Not run by the tests, for they have no vcpkg. Tried by hand, with vcpkg's scripts of August 2026 and the system's Boost.
set(VCPKG_BUILD_TYPE release) # headers only
cmake_path(SET SOURCE_PATH NORMALIZE "${CURRENT_PORT_DIR}/../../..")

vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        -DFANOUT_BUILD_BENCHMARKS=OFF
        -DFANOUT_BUILD_EXAMPLES=OFF
        -DFANOUT_BUILD_TESTS=OFF
        -DFANOUT_INSTALL=ON
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/fanout)
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/doc")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
