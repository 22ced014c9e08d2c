# SPDX-License-Identifier: BSL-1.0

# Boost.Cobalt, for the contenders that use it. It is part of Boost since 1.84 and, other than Asio, has to be
# compiled: Debian 12 and 13 have no package of it. It is found
#   - where the Boost that CMake finds has it (its package boost_cobalt), or
#   - in the folder FANOUT_COBALT_BOOST, a release of Boost as it is unpacked: headers in boost/, Cobalt's sources
#     in libs/cobalt/src. They are compiled here, and its contenders use that release's Asio: compare their figures
#     with those of the others only if these are of the same Boost (-DBoost_ROOT=…).
# Where it is not found, its contenders are left out.
include_guard(GLOBAL)

set(FANOUT_COBALT_BOOST "" CACHE PATH
    "An unpacked release of Boost, 1.84 or newer, for the benchmarks of Boost.Cobalt")

if(FANOUT_COBALT_BOOST)
    set(sources ${FANOUT_COBALT_BOOST}/libs/cobalt/src)
    if(NOT EXISTS ${sources}/this_thread.cpp OR NOT EXISTS ${FANOUT_COBALT_BOOST}/boost/cobalt.hpp)
        message(FATAL_ERROR "FANOUT_COBALT_BOOST: no boost/cobalt.hpp and libs/cobalt/src in '${FANOUT_COBALT_BOOST}'")
    endif()
    add_library(bench_cobalt STATIC EXCLUDE_FROM_ALL
        ${sources}/channel.cpp
        ${sources}/detail/exception.cpp
        ${sources}/detail/util.cpp
        ${sources}/error.cpp
        ${sources}/this_thread.cpp
        ${sources}/thread.cpp)
    target_compile_features(bench_cobalt PUBLIC cxx_std_20)
    target_compile_definitions(bench_cobalt PRIVATE BOOST_COBALT_SOURCE)
    target_include_directories(bench_cobalt SYSTEM PUBLIC ${FANOUT_COBALT_BOOST})
    target_link_libraries(bench_cobalt PUBLIC Threads::Threads)
else()
    find_package(boost_cobalt 1.84 CONFIG QUIET)
    if(boost_cobalt_FOUND)
        add_library(bench_cobalt INTERFACE)
        target_link_libraries(bench_cobalt INTERFACE Boost::cobalt)
    else()
        message(STATUS "no Boost.Cobalt (FANOUT_COBALT_BOOST names a Boost that has it): its contenders are left out")
    endif()
endif()

# cobalt_benchmark(<workload> <contender>): as fanout_benchmark, where Cobalt is found. The frame is compiled anew,
# for one program cannot hold two releases of Asio.
function(cobalt_benchmark workload contender)
    if(NOT TARGET bench_cobalt)
        return()
    endif()
    if(NOT TARGET bench_cobalt_main)
        add_library(bench_cobalt_main OBJECT ${PROJECT_SOURCE_DIR}/benchmarks/support/main.cpp)
        target_compile_definitions(bench_cobalt_main PRIVATE
            BENCH_ALLOCATIONS_LIBRARY="$<TARGET_FILE:bench_allocations>")
        target_link_libraries(bench_cobalt_main PUBLIC bench_cobalt benchmark::benchmark ${CMAKE_DL_LIBS})
        target_link_libraries(bench_cobalt_main PRIVATE fanout_dev_warnings)
    endif()
    set(name bench_${workload}_${contender})
    add_executable(${name} ${PROJECT_SOURCE_DIR}/benchmarks/${workload}/${contender}.cpp)
    target_link_libraries(${name} PRIVATE bench_cobalt_main fanout_dev_warnings)
    add_dependencies(${name} bench_allocations)
    set_property(GLOBAL APPEND PROPERTY fanout_benchmark_programs
        "${workload}\t${contender}\t${name}\t$<TARGET_FILE:${name}>")
endfunction()
