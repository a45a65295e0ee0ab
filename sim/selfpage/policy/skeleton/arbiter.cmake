# Builds the arbiter @NAME@ and tests it:
#
#   cmake -S . -B build [-DCMAKE_PREFIX_PATH=where Selfpage is installed]
#   cmake --build build && ctest --test-dir build --output-on-failure
cmake_minimum_required(VERSION 3.25)
project(@NAME@ LANGUAGES C)
find_package(selfpage REQUIRED)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

# An arbiter needs the headers alone; the server that loads it brings the rest.
add_library(@NAME@ MODULE @NAME@.c)
target_include_directories(@NAME@ PRIVATE
    $<TARGET_PROPERTY:selfpage::selfpage,INTERFACE_INCLUDE_DIRECTORIES>)
target_compile_options(@NAME@ PRIVATE -Wall -Wextra -fvisibility=hidden)
set_target_properties(@NAME@ PROPERTIES PREFIX "" C_STANDARD 17)

enable_testing()
set(selfpage_command ${selfpage_BINDIR}/selfpage)

# Does it keep the rules?
add_test(NAME rules COMMAND ${selfpage_command} check-arbiter $<TARGET_FILE:@NAME@>)

# What does cheating gain under it? Read the table.
add_test(NAME attacks COMMAND ${selfpage_command} bench attacks --rounds 1
    --arbiter maxmin,$<TARGET_FILE:@NAME@>)
