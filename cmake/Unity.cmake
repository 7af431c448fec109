# A cold build takes half as long when several files of a target are compiled as one. What that hides (a missing
# #include, a shadowed name) the preset `clang` sees, which compiles each file by itself.

option(SLUICE_UNITY "Compile the files of a target together" OFF)

# Files whose own names meet those of a neighbour.
set(SLUICE_ALONE
  sluice/advise/device_calls.cpp
  sluice/driver/reset.cpp
  sluice/hosted/seeded.cpp
  sluice/iommufd/ioas_space.cpp
  sluice/machine/guest_bus.cpp
  sluice/machine/host_audit.cpp
  sluice/model/cd_validity.cpp
  sluice/scenario/traffic.cpp
  sluice/vfio/config_view.cpp
  tests/driver/plan_cd_test.cpp
  tests/driver/plan_test.cpp
  tests/driver/probe_test.cpp
  tests/driver/rule2_test.cpp
  tests/driver/used_bits_test.cpp
  tests/iommufd/settings.cpp
  tests/machine/nested_test.cpp
  tests/machine/stall_test.cpp
  tests/machine/pasid_test.cpp
  tests/model/ats_translated.cpp
  tests/model/commands.cpp
  tests/model/stage2.cpp
  tests/vfio/irqs.cpp)

function(sluice_unity target)
  if(NOT SLUICE_UNITY)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  list(TRANSFORM SLUICE_ALONE PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE alone)
  set_source_files_properties(${alone} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()
