# selfpage_bundle(NAME LAYERS layer... [OUTPUT_NAME name] [WITHOUT section...])
#
# A static library that can be linked into any program: everything that the first layer needs of
# itself and of the others becomes one object file, in which all symbols but the exported ones
# (SP_EXPORT) are made local. So it defines no name that does not begin with sp_, and two such
# libraries can hold the same layers without meeting. WITHOUT names sections to leave out: of probes
# (stapsdt) a program can have those of one such library only.
#
# CMake takes lld and llvm-objcopy with clang, where they are there; what those make of objects with
# instrumentation GNU ld cannot read.
if(CMAKE_C_COMPILER_ID MATCHES "Clang" AND NOT CMAKE_CROSSCOMPILING)
    find_program(SELFPAGE_BUNDLE_LINKER NAMES ld.bfd ld REQUIRED)
    find_program(SELFPAGE_BUNDLE_OBJCOPY NAMES objcopy REQUIRED)
else()
    set(SELFPAGE_BUNDLE_LINKER ${CMAKE_LINKER})
    set(SELFPAGE_BUNDLE_OBJCOPY ${CMAKE_OBJCOPY})
endif()

function(selfpage_bundle name)
    cmake_parse_arguments(PARSE_ARGV 1 BUNDLE "" "OUTPUT_NAME" "LAYERS;WITHOUT")
    list(POP_FRONT BUNDLE_LAYERS first)
    list(TRANSFORM BUNDLE_LAYERS REPLACE "(.+)" "$<TARGET_FILE:layer_\\1>" OUTPUT_VARIABLE others)
    list(TRANSFORM BUNDLE_LAYERS PREPEND "layer_")
    list(TRANSFORM BUNDLE_WITHOUT PREPEND "--remove-section=")
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.o)
    add_custom_command(OUTPUT ${object}
        COMMAND ${SELFPAGE_BUNDLE_LINKER} -r -T ${PROJECT_SOURCE_DIR}/src/bundle.ld -o ${object}
            --whole-archive $<TARGET_FILE:layer_${first}> --no-whole-archive --start-group ${others} --end-group
        COMMAND ${SELFPAGE_BUNDLE_OBJCOPY} --localize-hidden ${BUNDLE_WITHOUT} ${object}
        DEPENDS layer_${first} ${BUNDLE_LAYERS} ${PROJECT_SOURCE_DIR}/src/bundle.ld
        COMMENT "Bundling ${name}" VERBATIM)
    add_library(${name} STATIC ${object})
    set_target_properties(${name} PROPERTIES LINKER_LANGUAGE C)
    if(BUNDLE_OUTPUT_NAME)
        set_target_properties(${name} PROPERTIES OUTPUT_NAME ${BUNDLE_OUTPUT_NAME})
    endif()
endfunction()
