#pragma once

#include <sluice/model/features.hpp>

#include <array>
#include <optional>
#include <string_view>

namespace sluice::model {

struct Preset {
  std::string_view name;
  Features features;
};

// v3.x: what an SMMU of the version has to have, and little more. full: all that is modelled. qemu7 and qemu11: stock
// QEMU's with the same IDR words (7.2: stage 1; 11: stage=nested).
inline constexpr std::array<Preset, 6> presets{{
    {"v3.1", {.version = 1, .range_invalidation = false, .bbml = 0, .fwb = false, .small_tables = false}},
    {"v3.2", {.small_tables = false}},
    {"v3.3", {.version = 3, .small_tables = false, .e0pd = true, .ptwnnc = true}},
    {"full",
     {.version = 3,
      .sev = true,
      .msi = true,
      .ats = true,
      .pri = true,
      .ats_record_errors = true,
      .btm = true,
      .httu = 2,
      .stall_model = 0,
      .streamid_bits = 32,
      .substreamid_bits = 20,
      .cmdq_log2 = 19,
      .eventq_log2 = 19,
      .priq_log2 = 19,
      .oas_bits = 52,
      .va52 = true,
      .stall_max = 64,
      .vmw = true,
      .e0pd = true,
      .ptwnnc = true,
      .pri_pasid = true,
      .pasid_translated = true}},
    {"qemu7",
     {.version = 1,
      .stage2 = false,
      .vmid16 = false,
      .two_level_cds = false,
      .hyp = false,
      .terminate_only_abort = true,
      .attr_types_override = false,
      .attr_perms_override = false,
      .cmdq_log2 = 19,
      .eventq_log2 = 19,
      .fwb = false,
      .xnx = false,
      .small_tables = false}},
    {"qemu11",
     {.version = 1,
      .two_level_cds = false,
      .hyp = false,
      .terminate_only_abort = true,
      .attr_types_override = false,
      .attr_perms_override = false,
      .cmdq_log2 = 19,
      .eventq_log2 = 19,
      .fwb = false,
      .small_tables = false}},
}};

constexpr std::optional<Features> preset(std::string_view name) {
  for (const Preset& p : presets) {
    if (p.name == name) {
      return p.features;
    }
  }
  return std::nullopt;
}

} // namespace sluice::model
