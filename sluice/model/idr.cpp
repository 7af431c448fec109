#include <sluice/model/idr.hpp>

#include <bit>
#include <optional>

namespace sluice::model {

namespace {

// 6.3.6 IDR5.OAS
std::optional<std::uint32_t> oas_code(unsigned bits) {
  constexpr std::array<unsigned, 7> sizes{32, 36, 40, 42, 44, 48, 52};
  for (std::uint32_t code = 0; code < sizes.size(); ++code) {
    if (sizes[code] == bits) {
      return code;
    }
  }
  return std::nullopt;
}

bool cache_size_ok(unsigned entries) { return std::has_single_bit(entries) && entries <= 1U << 20; }

Refusal no_encoding(const Features& f, const Knobs& k) {
  if (f.version > 4) {
    return Refusal::version;
  }
  if (!oas_code(f.oas_bits)) {
    return Refusal::oas;
  }
  if (f.streamid_bits > 32) {
    return Refusal::streamid_bits;
  }
  if (f.substreamid_bits > 20) {
    return Refusal::substream_bits;
  }
  if (f.cmdq_log2 > 19 || f.eventq_log2 > 19 || f.priq_log2 > 19) {
    return Refusal::queue_size;
  }
  if (f.bbml > 2) {
    return Refusal::bbml;
  }
  if (f.httu > 2) {
    return Refusal::httu;
  }
  if (f.stall_model > 2) {
    return Refusal::stall_model;
  }
  if (f.stall_max > 0xffff) {
    return Refusal::stall_max;
  }
  if (!cache_size_ok(k.ste_cache) || !cache_size_ok(k.cd_cache) || !cache_size_ok(k.tlb) ||
      !cache_size_ok(k.walk_cache)) {
    return Refusal::cache_size;
  }
  return Refusal::none;
}

// 2, 2.1: what the version demands and permits.
Refusal wrong_version(const Features& f) {
  const bool both = f.stage1 && f.stage2;
  if (f.version >= 1 && ((f.stage1 && !f.had) || (f.stage2 && !f.xnx))) {
    return Refusal::v31_features;
  }
  if (f.version >= 2 && (f.bbml == 0 || !f.range_invalidation || (f.stage2 && !f.fwb))) {
    return Refusal::v32_features;
  }
  if (f.version >= 2 && both && !f.hyp) {
    return Refusal::hyp_stages;
  }
  const bool v32 = f.bbml != 0 || f.range_invalidation || f.fwb || f.small_tables;
  if (f.version == 0 && v32) {
    return Refusal::too_new;
  }
  return Refusal::none;
}

Refusal forbidden(const Features& f) {
  if (!f.stage1 && !f.stage2) {
    return Refusal::no_stage;
  }
  if (f.hyp && !(f.stage1 && f.stage2)) {
    return Refusal::hyp_stages;
  }
  if (f.streamid_bits >= 7 && !f.two_level_streams) {
    return Refusal::needs_two_level;
  }
  if (f.pri && !f.ats) {
    return Refusal::pri_without_ats;
  }
  if (!f.gran4k && !f.gran16k && !f.gran64k) {
    return Refusal::no_granule;
  }
  if (f.oas_bits == 52 && f.version == 0) {
    return Refusal::oas_version;
  }
  if (f.oas_bits == 52 && !f.gran64k) {
    return Refusal::oas52_granule;
  }
  if (f.va52 && (!f.gran64k || f.version == 0)) {
    return Refusal::va52_granule;
  }
  if (f.stall_model == 1 ? f.stall_max != 0 : f.stall_max == 0) {
    return Refusal::stall_max_zero;
  }
  return wrong_version(f);
}

Refusal not_modelled(const Features& f) {
  if (f.httu != 0) {
    return Refusal::no_httu;
  }
  if (f.stall_model != 1) {
    return Refusal::no_stalls;
  }
  if (f.msi) {
    return Refusal::no_msi;
  }
  if (f.sev) {
    return Refusal::no_sev;
  }
  if (f.ats) {
    return Refusal::no_ats;
  }
  if (f.pri) {
    return Refusal::no_pri;
  }
  return f.btm ? Refusal::no_btm : Refusal::none;
}

constexpr std::uint32_t bit(bool value, unsigned at) { return std::uint32_t{value} << at; }

} // namespace

Refusal refusal(const Features& features, const Knobs& knobs) {
  if (const Refusal r = no_encoding(features, knobs); r != Refusal::none) {
    return r;
  }
  if (const Refusal r = forbidden(features); r != Refusal::none) {
    return r;
  }
  return not_modelled(features);
}

Identity identity(const Features& f) {
  Identity id;
  constexpr std::uint32_t ttf_v8_64 = 2;
  constexpr std::uint32_t little_endian = 2;
  id.idr[0] = bit(f.stage2, 0) | bit(f.stage1, 1) | ttf_v8_64 << 2 | bit(f.coherent, 4) | bit(f.btm, 5) | f.httu << 6 |
              bit(f.hyp, 9) | bit(f.ats, 10) | bit(f.asid16, 12) | bit(f.msi, 13) | bit(f.sev, 14) | bit(f.pri, 16) |
              bit(f.vmid16, 18) | bit(f.two_level_cds, 19) | little_endian << 21 | f.stall_model << 24 |
              bit(f.terminate_only_abort, 26) | bit(f.two_level_streams, 27);
  id.idr[1] = f.streamid_bits | f.substreamid_bits << 6 | (f.pri ? f.priq_log2 << 11 : 0) | f.eventq_log2 << 16 |
              f.cmdq_log2 << 21 | bit(f.attr_perms_override, 26) | bit(f.attr_types_override, 27);
  id.idr[3] = bit(f.had, 2) | bit(f.xnx, 4) | bit(f.fwb, 8) | bit(f.small_tables, 9) | bit(f.range_invalidation, 10) |
              f.bbml << 11;
  id.idr[5] = oas_code(f.oas_bits).value_or(0) | bit(f.gran4k, 4) | bit(f.gran16k, 5) | bit(f.gran64k, 6) |
              bit(f.va52, 10) | f.stall_max << 16;
  id.aidr = f.version;
  return id;
}

} // namespace sluice::model
