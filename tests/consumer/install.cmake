# SPDX-License-Identifier: BSL-1.0
# cmake -DBINARY=<build folder> -DPREFIX=<folder> -DREPOSITORY=<root> -P install.cmake
#
# Installs into a folder that is not there yet, and then moves what is installed: whoever finds it finds it by itself. Every
# header is there, and nothing that is not meant to be.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE ${PREFIX} ${PREFIX}-before)
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BINARY} --prefix ${PREFIX}-before COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${PREFIX}-before ${PREFIX})

file(GLOB_RECURSE wanted RELATIVE ${REPOSITORY} ${REPOSITORY}/include/*.hpp)
list(APPEND wanted
    share/cmake/fanout/fanout-config-version.cmake
    share/cmake/fanout/fanout-config.cmake
    share/cmake/fanout/fanout-targets.cmake
    share/doc/fanout/LICENSE
    share/fanout/gdb/fanout_printers.py
    share/pkgconfig/fanout.pc)
list(SORT wanted)
file(GLOB_RECURSE installed RELATIVE ${PREFIX} ${PREFIX}/*)
list(SORT installed)
if(NOT installed STREQUAL wanted)
    message(FATAL_ERROR "installed is\n${installed}\nand not\n${wanted}")
endif()
