# tests/<layer>/*.cpp -> test-<layer>, tests/<other>/*.cpp -> test-<other> with <other> as label.

set(SLUICE_TEST_TIMEOUT 120 CACHE STRING "Seconds after which ctest gives a single test up")
set(SLUICE_TEST_OPTIONS -O0)
if(SLUICE_SANITIZE STREQUAL "address")
  list(APPEND SLUICE_TEST_OPTIONS -fno-sanitize=undefined) # the tests' own code; what they test keeps it
endif()
add_custom_target(threads-tests COMMENT "Tests with several threads, for ThreadSanitizer")
add_custom_target(explore-tests COMMENT "Tests that need the scheduler of the explore build")

# Sets `out` to ON if a file has a suite whose name ends in `ending`.
function(sluice_has_suite out ending)
  set(${out} OFF PARENT_SCOPE)
  foreach(file IN LISTS ARGN)
    file(STRINGS ${file} hits REGEX "(TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P)\\([A-Za-z0-9_]*${ending}," LIMIT_COUNT 1)
    if(hits)
      set(${out} ON PARENT_SCOPE)
    endif()
  endforeach()
endfunction()

# Leaves in `list` the files with such a suite, and those that have no tests of their own.
function(sluice_keep_suites list ending)
  set(kept)
  foreach(file IN LISTS ${list})
    sluice_has_suite(wanted ${ending} ${file})
    sluice_has_suite(any "" ${file})
    if(wanted OR NOT any)
      list(APPEND kept ${file})
    endif()
  endforeach()
  set(${list} ${kept} PARENT_SCOPE)
endfunction()

function(sluice_test folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/*.cpp)
  file(GLOB project CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/CMakeLists.txt)
  if(NOT sources OR project)
    return()
  endif()
  if(folder STREQUAL "explore" AND NOT SLUICE_EXPLORE)
    return()
  endif()
  set(label ${folder})
  sluice_row_targets(tools targets)
  if(folder IN_LIST SLUICE_ROWS)
    if(NOT TARGET sluice-${folder})
      message(WARNING "tests/${folder} waits for sluice/${folder}")
      return()
    endif()
    set(label unit)
    sluice_row_targets(${folder} targets)
    sluice_targets(more ${folder} hosted)
    if(TARGET sluice-arch-names AND (folder STREQUAL "arch" OR sluice-arch IN_LIST targets))
      list(APPEND more sluice-arch-names)
    endif()
    list(APPEND targets ${more})
  endif()
  sluice_has_suite(threads Threads ${sources})
  sluice_has_suite(explore Explore ${sources})
  if(SLUICE_SANITIZE STREQUAL "thread" OR SLUICE_EXPLORE)
    # Whether a target belongs to threads-tests or explore-tests depends on what its files say.
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${sources})
  endif()

  # These builds are for some suites only, and a file without any of them would be compiled for nothing.
  if(SLUICE_SANITIZE STREQUAL "thread" AND threads)
    sluice_keep_suites(sources Threads)
  elseif(SLUICE_EXPLORE AND explore AND NOT folder STREQUAL "explore")
    sluice_keep_suites(sources Explore)
  endif()

  add_executable(test-${folder} ${sources})
  # Tests are many and run once: compiling them is what takes time.
  target_compile_options(test-${folder} PRIVATE ${SLUICE_TEST_OPTIONS})
  list(LENGTH sources count)
  if(count GREATER 5) # it costs as much as it saves a few files
    target_precompile_headers(test-${folder} PRIVATE <gtest/gtest.h> <memory> <string> <vector>)
  endif()
  target_link_libraries(test-${folder} PRIVATE ${targets} sluice-flags sluice-warnings GTest::gmock_main Threads::Threads)
  set(processors 1)
  if(folder STREQUAL "qemu")
    set(processors 2) # QEMU's own threads count too
  endif()
  gtest_discover_tests(test-${folder}
    TEST_PREFIX ${folder}/
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${SLUICE_TEST_TIMEOUT} PROCESSORS ${processors})
  # gtest_discover_tests takes one label for all tests of a target; ctest reads this file after its list of tests.
  set(SLUICE_FOLDER ${folder})
  set(SLUICE_LABEL ${label})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/labels.cmake.in ${PROJECT_BINARY_DIR}/test-${folder}-labels.cmake @ONLY)
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${PROJECT_BINARY_DIR}/test-${folder}-labels.cmake)
  if(threads)
    add_dependencies(threads-tests test-${folder})
  endif()
  if(explore OR folder STREQUAL "explore")
    add_dependencies(explore-tests test-${folder})
  endif()
endfunction()

include(GoogleTest)
file(GLOB folders CONFIGURE_DEPENDS LIST_DIRECTORIES true RELATIVE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/tests/*)
foreach(folder IN LISTS folders)
  if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/tests/${folder})
    sluice_test(${folder})
  endif()
endforeach()
