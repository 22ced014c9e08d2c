# SPDX-License-Identifier: BSL-1.0
# cmake -DSOURCES=<tests/consumer> -DWORK=<folder> -DMAKE=<make> -DVERSION=<expected> -P build.cmake
#
# Builds and runs the project of the Makefile in the folder WORK, which is empty before.
cmake_minimum_required(VERSION 3.25)
if(NOT MAKE OR NOT EXISTS "$ENV{PKG_CONFIG}")
    message(FATAL_ERROR "there is no make, or no pkg-config: scripts/setup.sh test installs both")
endif()
file(REMOVE_RECURSE ${WORK})
file(COPY ${SOURCES}/pkg_config/Makefile ${SOURCES}/main.cpp DESTINATION ${WORK})

execute_process(COMMAND $ENV{PKG_CONFIG} --modversion fanout
    OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
if(NOT found STREQUAL VERSION)
    message(FATAL_ERROR "found fanout ${found}, not ${VERSION}")
endif()
execute_process(COMMAND $ENV{PKG_CONFIG} --print-errors "fanout >= 99.0" RESULT_VARIABLE status ERROR_QUIET)
if(status EQUAL 0)
    message(FATAL_ERROR "fanout ${found} passes for 99.0")
endif()

execute_process(COMMAND ${MAKE} -C ${WORK} consumer COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${WORK}/consumer COMMAND_ERROR_IS_FATAL ANY)
