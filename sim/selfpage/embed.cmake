# selfpage_embed(OUTPUT HEADER [NAME FILE]...): write a C file that defines each file's bytes, and a NUL, as
# `const char NAME[]`, which HEADER declares.
function(selfpage_embed output header)
    set(text "/* Generated. */\n#include \"${header}\"\n")
    while(ARGN)
        list(POP_FRONT ARGN name file)
        file(READ ${file} bytes HEX)
        string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
        string(APPEND text "const char ${name}[] = {${bytes}0};\n")
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    endwhile()
    file(CONFIGURE OUTPUT ${output} CONTENT "${text}" @ONLY)
endfunction()
