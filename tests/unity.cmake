# SPDX-License-Identifier: BSL-1.0

# fanout_add_unity_tests(<label> <source>…)
#
# A few programs of the test sources (below fanout/), and a ctest test `unit.<path.with.dots>` for each source, with a target of
# that name. Each source is compiled in a namespace of its own, behind all that they include. With label `threads` they
# are part of the target fanout_thread_tests, too.
function(fanout_add_unity_tests label)
    set(labels unit ${label})
    list(LENGTH ARGN sources)
    math(EXPR programs "(${sources} + 7) / 8")
    if(sources EQUAL 0)
        return()
    endif()
    math(EXPR last "${programs} - 1")
    foreach(program RANGE ${last})
        set(includes_${program})
        set(bodies_${program})
        set(members_${program})
    endforeach()

    set(at 0)
    foreach(source IN LISTS ARGN)
        math(EXPR program "${at} % ${programs}") # the longest lie side by side
        math(EXPR at "${at} + 1")
        set(path ${CMAKE_CURRENT_SOURCE_DIR}/fanout/${source})
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
        file(STRINGS ${path} includes REGEX "^#include ")
        get_filename_component(folder ${path} DIRECTORY)
        list(TRANSFORM includes REPLACE "\"([^\"]+)\"" "\"${folder}/\\1\"")
        list(APPEND includes_${program} ${includes})
        string(MAKE_C_IDENTIFIER ${source} space)
        string(APPEND bodies_${program} "\nnamespace in_${space} {\n#include \"${path}\"\n}\n")
        list(APPEND members_${program} ${source})
    endforeach()

    foreach(program RANGE ${last})
        string(JOIN _ target unity ${label} ${program})
        list(REMOVE_DUPLICATES includes_${program})
        list(JOIN includes_${program} "\n" includes)
        file(CONFIGURE OUTPUT ${target}.cpp CONTENT "@includes@\n${bodies_${program}}" @ONLY)
        add_executable(${target} ${CMAKE_CURRENT_BINARY_DIR}/${target}.cpp)
        target_link_libraries(${target} PRIVATE fanout_test_main fanout_dev_warnings)
        target_precompile_headers(${target} REUSE_FROM fanout_test_main)
        # Anonymous namespaces in a file that is included: no other unit includes it.
        target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
        add_dependencies(fanout_unit_tests ${target})
        if(label STREQUAL "threads")
            add_dependencies(fanout_thread_tests ${target})
        endif()
        foreach(source IN LISTS members_${program})
            string(REGEX REPLACE "\\.test\\.cpp$" "" name ${source})
            string(REPLACE "/" "." name ${name})
            add_custom_target(unit.${name} DEPENDS ${target})
            add_test(NAME unit.${name} COMMAND ${target} --source-file=*/fanout/${source})
            set_tests_properties(unit.${name} PROPERTIES
                LABELS "${labels}"
                TIMEOUT 300
                FAIL_REGULAR_EXPRESSION "test cases: +0 ") # where the filter fits nothing
        endforeach()
    endforeach()
endfunction()
