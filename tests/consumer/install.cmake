# SPDX-License-Identifier: BSL-1.0
# cmake -DBINARY=<build folder> -DPREFIX=<folder> -P install.cmake
#
# Installs into a folder that is not there yet, and then moves what is installed: whoever finds it finds it by itself.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE ${PREFIX} ${PREFIX}-before)
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BINARY} --prefix ${PREFIX}-before COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${PREFIX}-before ${PREFIX})
