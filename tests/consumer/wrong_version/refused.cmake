# SPDX-License-Identifier: BSL-1.0
# cmake -DVERSION=<installed> -DPREFIX=<where> -DSOURCE=<project> -DWORK=<folder> -P refused.cmake
#
# A version that is not compatible with the installed one is refused, and so is a Boost that is too old; the message says
# which was found.
cmake_minimum_required(VERSION 3.25)
string(REPLACE "." ";" parts ${VERSION})
list(GET parts 0 major)
list(GET parts 1 minor)
list(GET parts 2 patch)

# refused(<said> <option>…): the project is not configured, and its error says so.
function(refused said)
    file(REMOVE_RECURSE ${WORK}/build)
    execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/build -DCMAKE_PREFIX_PATH=${PREFIX} ${ARGN}
        RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(status EQUAL 0)
        message(SEND_ERROR "fanout ${VERSION} passes for: ${ARGN}")
    elseif(NOT output MATCHES "${said}")
        message(SEND_ERROR "${ARGN}: does not say '${said}', but:\n${output}")
    else()
        message("refused: ${ARGN}")
    endif()
endfunction()

math(EXPR next_major "${major} + 1")
math(EXPR next_minor "${minor} + 1")
math(EXPR next_patch "${patch} + 1")
string(REPLACE "." "\\." found "${VERSION}")
set(wanted ${next_major}.0 ${major}.${next_minor} ${major}.${minor}.${next_patch} 99.0)
if(minor GREATER 0)
    math(EXPR last_minor "${minor} - 1")
    list(APPEND wanted ${major}.${last_minor})
endif()
file(REMOVE_RECURSE ${WORK})
foreach(version IN LISTS wanted)
    refused("fanout-config\\.cmake, version: ${found}" -DWANTED=${version})
endforeach()

file(WRITE ${WORK}/old_boost/boost/version.hpp
    "#define BOOST_VERSION 107400\n#define BOOST_LIB_VERSION \"1_74\"\n")
refused("1\\.74\\.0.*1\\.83" -DWANTED=${VERSION} -DBoost_NO_BOOST_CMAKE=ON -DBoost_INCLUDE_DIR=${WORK}/old_boost)
