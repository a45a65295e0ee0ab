# What `cmake --install` puts where: libraries, headers, a CMake package, pkg-config files. Programs
# are installed by their own folders. Included at the end of the top CMakeLists.txt.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/selfpage)
set(exported selfpage selfpage_static)
set(pc_files selfpage)
set_target_properties(selfpage_static PROPERTIES EXPORT_NAME static)
if(SELFPAGE_SERVERS)
    list(APPEND exported selfpage_testing selfpage_replay selfpage_world)
    list(APPEND pc_files selfpage-testing selfpage-replay selfpage-world)
    set_target_properties(selfpage_testing PROPERTIES EXPORT_NAME testing)
    set_target_properties(selfpage_replay PROPERTIES EXPORT_NAME replay)
    set_target_properties(selfpage_world PROPERTIES EXPORT_NAME world)
endif()

install(TARGETS ${exported} EXPORT selfpage
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/selfpage DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(SELFPAGE_SERVERS) # a project with tests, to copy
    install(DIRECTORY .packages/template/ DESTINATION ${CMAKE_INSTALL_DATADIR}/selfpage-template)
endif()
install(EXPORT selfpage NAMESPACE selfpage:: FILE selfpage-targets.cmake DESTINATION ${package_dir})

configure_package_config_file(src/selfpage-config.cmake.in
    ${CMAKE_BINARY_DIR}/selfpage-config.cmake
    INSTALL_DESTINATION ${package_dir}
    PATH_VARS CMAKE_INSTALL_BINDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/selfpage-config-version.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/selfpage-config.cmake
    ${CMAKE_BINARY_DIR}/selfpage-config-version.cmake DESTINATION ${package_dir})

# The prefix is found from where the file lies, so that an installed tree can be moved. The file
# lies in libdir/pkgconfig: as many steps up as that has parts.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
    BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig OUTPUT_VARIABLE pc_up)
foreach(name IN LISTS pc_files)
    configure_file(src/${name}.pc.in ${CMAKE_BINARY_DIR}/${name}.pc @ONLY)
    install(FILES ${CMAKE_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

# Installed programs find the shared library beside them.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBDIR
    BASE_DIRECTORY ${CMAKE_INSTALL_FULL_BINDIR} OUTPUT_VARIABLE lib_from_bin)
if(SELFPAGE_SERVERS)
    get_property(programs DIRECTORY sim/tasks PROPERTY BUILDSYSTEM_TARGETS)
    foreach(program IN LISTS programs ITEMS selfpage-fileserver)
        set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/${lib_from_bin}")
    endforeach()
endif()
