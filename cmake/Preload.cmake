# tools/preload/*.cpp -> libsluice-preload.so, which `sluice exec` loads into a process of somebody else: it may need
# nothing but glibc, and shows nothing but the functions that it puts before glibc's.
include(GNUInstallDirs)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBDIR BASE_DIRECTORY ${CMAKE_INSTALL_FULL_BINDIR} OUTPUT_VARIABLE folder)
if(TARGET sluice)
  target_compile_definitions(sluice PRIVATE SLUICE_PRELOAD_FOLDER="${folder}/sluice")
  install(TARGETS sluice RUNTIME)
endif()
file(GLOB preload CONFIGURE_DEPENDS tools/preload/*.cpp)
if(NOT preload OR NOT SLUICE_SHAREABLE OR NOT TARGET sluice-machine OR NOT fmt_FOUND OR NOT nlohmann_json_FOUND)
  return()
endif()
sluice_targets(targets scenario machine advise +json)
# What formats brings its own {fmt} along: Debian has no archive of that. Of scenario it is only the machine file.
file(GLOB formats CONFIGURE_DEPENDS sluice/scenario/machine_file*.cpp sluice/advise/explainer_*.cpp)
set_source_files_properties(${formats} PROPERTIES COMPILE_DEFINITIONS FMT_HEADER_ONLY=1)
add_library(sluice-preload SHARED ${preload})
target_compile_definitions(sluice-preload PRIVATE FMT_HEADER_ONLY=1)
target_compile_options(sluice-preload PRIVATE ${SLUICE_SHAREABLE_OPTIONS})
target_link_libraries(sluice-preload PRIVATE ${targets} sluice-flags sluice-warnings Threads::Threads)
target_link_options(sluice-preload PRIVATE
  -static-libstdc++ -static-libgcc
  -Wl,--exclude-libs,ALL
  -Wl,--version-script=${PROJECT_SOURCE_DIR}/tools/preload/exports.map
  -Wl,--as-needed # a layer may link what its part in here does not use
  -Wl,--gc-sections
  -Wl,-z,defs -Wl,-z,nodelete)
set_target_properties(sluice-preload PROPERTIES LINK_DEPENDS ${PROJECT_SOURCE_DIR}/tools/preload/exports.map)
install(TARGETS sluice-preload LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/sluice)
if(TARGET sluice)
  add_dependencies(sluice sluice-preload)
endif()

# What runs under it in tests/preload, compiled as anybody would: no flag and no header of ours.
if(TARGET test-preload)
  enable_language(C)
  add_executable(example-hwpt examples/hwpt.c)
  add_executable(example-vsmmu examples/vsmmu.cpp)
  target_link_libraries(example-vsmmu PRIVATE sluice-vsmmu sluice-flags sluice-warnings)
  file(GLOB client CONFIGURE_DEPENDS tests/preload/*.c)
  add_executable(preload-client ${client})
  target_link_libraries(preload-client PRIVATE Threads::Threads)
  target_link_options(preload-client PRIVATE -rdynamic) # as QEMU, it shows its variables
  add_dependencies(test-preload sluice sluice-preload example-hwpt example-vsmmu preload-client)
  target_sources(test-preload PRIVATE tools/sluice/exec_qemu.cpp tools/sluice/exec_command.cpp)
endif()
if(TARGET bench-preload)
  add_dependencies(bench-preload sluice-preload)
endif()
