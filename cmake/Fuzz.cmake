# fuzz/<name>.cpp and fuzz/<name>/*.cpp -> fuzz-<name>: with SLUICE_FUZZ a libFuzzer target, else a program that runs the
# inputs of files and folders. What is kept in fuzz/corpus/<name> is a test of each build.
set(SLUICE_FUZZ_ROW_iommufd machine) # what it needs besides the layer that it is about
file(GLOB targets CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/fuzz/*.cpp)
list(FILTER targets EXCLUDE REGEX "/replay[.]cpp$")
file(GLOB reference CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/fuzz/reference/*.cpp)
if(NOT SLUICE_FUZZ)
  add_library(fuzz-replay OBJECT ${PROJECT_SOURCE_DIR}/fuzz/replay.cpp)
  target_link_libraries(fuzz-replay PRIVATE sluice-flags sluice-warnings)
endif()
foreach(file IN LISTS targets)
  get_filename_component(name ${file} NAME_WE)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/fuzz/${name}/*.cpp)
  set(row ${name}) # the layer that it is about
  if(DEFINED SLUICE_FUZZ_ROW_${name})
    set(row ${SLUICE_FUZZ_ROW_${name}})
  endif()
  sluice_row_targets(${row} rows)
  sluice_targets(more ${row})
  list(APPEND rows ${more})
  if(name STREQUAL "model") # it has a reference to be compared with
    list(APPEND sources ${reference})
  endif()
  add_executable(fuzz-${name} ${file} ${sources})
  target_link_libraries(fuzz-${name} PRIVATE ${rows} sluice-flags sluice-warnings Threads::Threads)
  if(SLUICE_FUZZ)
    target_link_options(fuzz-${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_link_libraries(fuzz-${name} PRIVATE fuzz-replay)
    if(EXISTS ${PROJECT_SOURCE_DIR}/fuzz/corpus/${name})
      add_test(NAME fuzz/${name} COMMAND fuzz-${name} ${PROJECT_SOURCE_DIR}/fuzz/corpus/${name})
      set_tests_properties(fuzz/${name} PROPERTIES LABELS fuzz TIMEOUT ${SLUICE_TEST_TIMEOUT}
        ENVIRONMENT ASAN_OPTIONS=intercept_tls_get_addr=0) # g++ 12's ASan reads before a block that glibc allocated
    endif()
  endif()
endforeach()
