# SPDX-License-Identifier: BSL-1.0
# Install rules: the headers, what makes find_package(fanout) and pkg-config find them, and what gdb shows of them. All of it is the same on each
# architecture, and the installed tree may be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.hpp")
install(TARGETS fanout EXPORT fanout-targets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(fanout_config_dir ${CMAKE_INSTALL_DATADIR}/cmake/fanout)
install(EXPORT fanout-targets NAMESPACE fanout:: DESTINATION ${fanout_config_dir})
configure_package_config_file(
    ${PROJECT_SOURCE_DIR}/cmake/fanout-config.cmake.in ${PROJECT_BINARY_DIR}/fanout-config.cmake
    INSTALL_DESTINATION ${fanout_config_dir}
    NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may break its users: docs/explanation/versions.md.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/fanout-config-version.cmake
    COMPATIBILITY SameMinorVersion
    ARCH_INDEPENDENT)
install(FILES
    ${PROJECT_BINARY_DIR}/fanout-config.cmake
    ${PROJECT_BINARY_DIR}/fanout-config-version.cmake
    DESTINATION ${fanout_config_dir})

# From where fanout.pc lies, or from the root where a folder was given so.
set(fanout_pc_dir ${CMAKE_INSTALL_DATADIR}/pkgconfig)
if(IS_ABSOLUTE ${CMAKE_INSTALL_DATADIR})
    set(fanout_pc_prefix ${CMAKE_INSTALL_PREFIX})
else()
    file(RELATIVE_PATH fanout_pc_prefix /prefix/${fanout_pc_dir} /prefix)
    string(REGEX REPLACE "/$" "" fanout_pc_prefix "\${pcfiledir}/${fanout_pc_prefix}")
endif()
if(IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
    set(fanout_pc_includedir ${CMAKE_INSTALL_INCLUDEDIR})
else()
    set(fanout_pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/fanout.pc.in ${PROJECT_BINARY_DIR}/fanout.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/fanout.pc DESTINATION ${fanout_pc_dir})

# Loaded by who wants them: docs/how-to/debug-with-gdb.md.
install(FILES ${PROJECT_SOURCE_DIR}/share/gdb/fanout_printers.py DESTINATION ${CMAKE_INSTALL_DATADIR}/fanout/gdb)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
