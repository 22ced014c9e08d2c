# SPDX-License-Identifier: BSL-1.0
# Install rules: the headers, and a package that find_package(fanout) finds.
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
# Before 1.0 a minor version may break its users.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/fanout-config-version.cmake
    COMPATIBILITY SameMinorVersion
    ARCH_INDEPENDENT)
install(FILES
    ${PROJECT_BINARY_DIR}/fanout-config.cmake
    ${PROJECT_BINARY_DIR}/fanout-config-version.cmake
    DESTINATION ${fanout_config_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
