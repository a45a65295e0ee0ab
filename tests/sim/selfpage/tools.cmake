# Tests of the commands that people use who write policies: each a script. The wrapper is for test programs; without it
# these would only do once more what they do in a release and with sanitizers.
if(SELFPAGE_TEST_WRAPPER)
    return()
endif()
set(tool_flags ${CMAKE_C_COMPILER} -g)
set(tool_sanitized 0)
if(SELFPAGE_SANITIZE)
    list(APPEND tool_flags -fsanitize=${SELFPAGE_SANITIZE})
    set(tool_sanitized 1)
elseif(SELFPAGE_COVERAGE)
    list(APPEND tool_flags --coverage)
endif()

# selfpage_tool_test(SCRIPT ARG...)
function(selfpage_tool_test script)
    cmake_path(GET script FILENAME name)
    add_test(NAME tool_${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${ARGN})
    set_tests_properties(tool_${name} PROPERTIES TIMEOUT 900 SKIP_RETURN_CODE 77)
endfunction()

selfpage_tool_test(policy/check_policy $<TARGET_FILE:selfpage_program> ${PROJECT_SOURCE_DIR}/include
    ${PROJECT_SOURCE_DIR}/tests/data/policies/wrong.c ${tool_sanitized} ${tool_flags})
selfpage_tool_test(policy/check_arbiter $<TARGET_FILE:selfpage_program> ${PROJECT_SOURCE_DIR}/include
    ${PROJECT_SOURCE_DIR}/tests/data/policies/wrong_arbiter.c ${tool_sanitized} ${tool_flags})
string(REPLACE ";" " " new_policy_flags "${tool_flags}")
string(REPLACE "${CMAKE_C_COMPILER} " "" new_policy_flags "${new_policy_flags}")
selfpage_tool_test(policy/new_policy ${CMAKE_BINARY_DIR} ${CMAKE_C_COMPILER} ${new_policy_flags})
selfpage_tool_test(policy/libcachesim $<TARGET_FILE:selfpage_program>
    ${PROJECT_SOURCE_DIR}/tests/data/policies/lcs_lru.c ${tool_flags})
selfpage_tool_test(replay/future $<TARGET_FILE:selfpage_program> ${PROJECT_SOURCE_DIR}/include ${tool_flags})
selfpage_tool_test(replay/score $<TARGET_FILE:selfpage_program> ${PROJECT_SOURCE_DIR}/include ${tool_flags})
selfpage_tool_test(command/command_line ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
selfpage_tool_test(run/perfetto $<TARGET_FILE:selfpage_program>)
selfpage_tool_test(report/report $<TARGET_FILE:selfpage_program>)
selfpage_tool_test(top/top ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
selfpage_tool_test(faults/faults $<TARGET_FILE:selfpage_program> ${PROJECT_SOURCE_DIR}/include
    $<TARGET_FILE_DIR:selfpage> ${tool_flags})
selfpage_tool_test(trace/convert $<TARGET_FILE:selfpage_program>)
selfpage_tool_test(analyse/analyse $<TARGET_FILE:selfpage_program> ${PROJECT_SOURCE_DIR}/tests/data/traces)
selfpage_tool_test(trace/generate $<TARGET_FILE:selfpage_program>)
selfpage_tool_test(trace/interleave $<TARGET_FILE:selfpage_program>)
selfpage_tool_test(trace/alike $<TARGET_FILE:selfpage_program>)
selfpage_tool_test(record/record $<TARGET_FILE:selfpage_program>)
selfpage_tool_test(record/record_fast $<TARGET_FILE:selfpage_program> ${tool_flags})
selfpage_tool_test(replay/merge $<TARGET_FILE:selfpage_program>)
selfpage_tool_test(parallel $<TARGET_FILE:selfpage_program>)
selfpage_tool_test(bench/attacks $<TARGET_FILE:selfpage_program>
    ${PROJECT_SOURCE_DIR}/src/arbiter/README.md)
selfpage_tool_test(output ${CMAKE_BINARY_DIR}/bin ${PROJECT_SOURCE_DIR}/tests/data/traces/small.txt)
if(NOT SELFPAGE_SANITIZE AND NOT SELFPAGE_TEST_WRAPPER) # once is enough
    selfpage_tool_test(readme ${PROJECT_SOURCE_DIR}/README.md ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}
        ${PROJECT_SOURCE_DIR}/include ${tool_flags})
endif()
selfpage_tool_test(bench/costs $<TARGET_FILE:selfpage_program>)
if(NOT SELFPAGE_SANITIZE AND NOT SELFPAGE_TEST_WRAPPER) # decisions, which are the same in any build; the slower, the longer
    selfpage_tool_test(simulate/fidelity $<TARGET_FILE:selfpage_program> ${PROJECT_SOURCE_DIR}/sim/demo.yaml
        ${PROJECT_SOURCE_DIR}/sim/tasks/models.yaml)
    # What is read ahead depends on which stores are answered by then: with all processors, as in a play.
    set_tests_properties(tool_fidelity PROPERTIES RUN_SERIAL TRUE)
endif()
selfpage_tool_test(simulate/verdicts $<TARGET_FILE:selfpage_program>)
selfpage_tool_test(simulate/simulate $<TARGET_FILE:selfpage_program> ${PROJECT_SOURCE_DIR}/sim/demo.yaml
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/tests/data/policies/wrong.c ${tool_flags})
