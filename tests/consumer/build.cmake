# SPDX-License-Identifier: BSL-1.0
# cmake -DNAME=<folder> -DSOURCES=<tests/consumer> -DWORK=<folder> -DREPOSITORY=<root> -P build.cmake -- <cmake options>…
#
# Configures, builds and runs a user's project in the folder WORK, which is empty before.
cmake_minimum_required(VERSION 3.25)

set(options)
set(after_dashes FALSE)
foreach(i RANGE ${CMAKE_ARGC})
    if(after_dashes AND i LESS CMAKE_ARGC)
        list(APPEND options "${CMAKE_ARGV${i}}")
    elseif("${CMAKE_ARGV${i}}" STREQUAL "--")
        set(after_dashes TRUE)
    endif()
endforeach()

file(REMOVE_RECURSE ${WORK})
file(COPY ${SOURCES}/${NAME} ${SOURCES}/main.cpp DESTINATION ${WORK})
if(NAME STREQUAL add_subdirectory)
    file(MAKE_DIRECTORY ${WORK}/${NAME}/third_party)
    file(CREATE_LINK ${REPOSITORY} ${WORK}/${NAME}/third_party/fanout SYMBOLIC)
endif()

execute_process(COMMAND ${CMAKE_COMMAND} -S ${WORK}/${NAME} -B ${WORK}/build ${options} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}/build --parallel 1 COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${WORK}/build/consumer COMMAND_ERROR_IS_FATAL ANY)
