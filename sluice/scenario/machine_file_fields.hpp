#pragma once

#include <sluice/model/features.hpp>

#include <array>
#include <string_view>
#include <variant>

// What a machine file can say of an SMMU, by the names that model::Features and model::Knobs have.
namespace sluice::scenario {

template <class Struct>
struct Setting {
  std::string_view name;
  std::variant<bool Struct::*, unsigned Struct::*, std::uint64_t Struct::*> member;
};

namespace detail {
using F = model::Features;
using K = model::Knobs;
} // namespace detail

inline constexpr std::array<Setting<model::Features>, 54> feature_settings{{
    {"version", &detail::F::version},
    {"stage1", &detail::F::stage1},
    {"stage2", &detail::F::stage2},
    {"coherent", &detail::F::coherent},
    {"asid16", &detail::F::asid16},
    {"vmid16", &detail::F::vmid16},
    {"two_level_streams", &detail::F::two_level_streams},
    {"two_level_cds", &detail::F::two_level_cds},
    {"hyp", &detail::F::hyp},
    {"sev", &detail::F::sev},
    {"msi", &detail::F::msi},
    {"ats", &detail::F::ats},
    {"pri", &detail::F::pri},
    {"split_stage_ats", &detail::F::split_stage_ats},
    {"ats_record_errors", &detail::F::ats_record_errors},
    {"btm", &detail::F::btm},
    {"httu", &detail::F::httu},
    {"stall_model", &detail::F::stall_model},
    {"terminate_only_abort", &detail::F::terminate_only_abort},
    {"attr_types_override", &detail::F::attr_types_override},
    {"attr_perms_override", &detail::F::attr_perms_override},
    {"streamid_bits", &detail::F::streamid_bits},
    {"substreamid_bits", &detail::F::substreamid_bits},
    {"cmdq_log2", &detail::F::cmdq_log2},
    {"eventq_log2", &detail::F::eventq_log2},
    {"priq_log2", &detail::F::priq_log2},
    {"range_invalidation", &detail::F::range_invalidation},
    {"bbml", &detail::F::bbml},
    {"fwb", &detail::F::fwb},
    {"xnx", &detail::F::xnx},
    {"had", &detail::F::had},
    {"small_tables", &detail::F::small_tables},
    {"gran4k", &detail::F::gran4k},
    {"gran16k", &detail::F::gran16k},
    {"gran64k", &detail::F::gran64k},
    {"oas_bits", &detail::F::oas_bits},
    {"va52", &detail::F::va52},
    {"stall_max", &detail::F::stall_max},
    {"vmw", &detail::F::vmw},
    {"e0pd", &detail::F::e0pd},
    {"ptwnnc", &detail::F::ptwnnc},
    {"pri_pasid", &detail::F::pri_pasid},
    {"pasid_translated", &detail::F::pasid_translated},
    {"secure", &detail::F::secure},
    {"rme", &detail::F::rme},
    {"aarch32", &detail::F::aarch32},
    {"big_endian", &detail::F::big_endian},
    {"atos", &detail::F::atos},
    {"vatos", &detail::F::vatos},
    {"ecmdq", &detail::F::ecmdq},
    {"mpam", &detail::F::mpam},
    {"dpt", &detail::F::dpt},
    {"ds", &detail::F::ds},
    {"d128", &detail::F::d128},
}};

inline constexpr std::array<Setting<model::Knobs>, 13> knob_settings{{
    {"reserved_bits_illegal", &detail::K::reserved_bits_illegal},
    {"ste_cache", &detail::K::ste_cache},
    {"cd_cache", &detail::K::cd_cache},
    {"tlb", &detail::K::tlb},
    {"walk_cache", &detail::K::walk_cache},
    {"merge_events", &detail::K::merge_events},
    {"wires", &detail::K::wires},
    {"sync_hold_report_us", &detail::K::sync_hold_report_us},
    {"atc_timeout_us", &detail::K::atc_timeout_us},
    {"grant_unasked_write", &detail::K::grant_unasked_write},
    {"truncate_translated", &detail::K::truncate_translated},
    {"override_translated", &detail::K::override_translated},
    {"terminate_translated", &detail::K::terminate_translated},
}};

} // namespace sluice::scenario
