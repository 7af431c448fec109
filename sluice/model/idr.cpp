#include <sluice/model/idr.hpp>

#include <bit>

namespace sluice::model {

namespace {

bool cache_size_ok(unsigned entries) { return std::has_single_bit(entries) && entries <= 1U << 20; }

Refusal no_encoding(const Features& f, const Knobs& k) {
  if (f.version > 4) {
    return Refusal::version;
  }
  if (f.oas_bits > 52 || arch::address_bits(arch::address_size(f.oas_bits), arch::v3_4) != f.oas_bits) {
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
  if (f.version >= 3 && ((f.stage1 && !f.e0pd) || (f.stage2 && !f.ptwnnc))) {
    return Refusal::v33_features;
  }
  const bool v32 = f.bbml != 0 || f.range_invalidation || f.fwb || f.small_tables;
  const bool v33 = f.e0pd || f.ptwnnc;
  if ((f.version == 0 && v32) || (f.version <= 1 && (v33 || f.ats_record_errors)) ||
      (f.version <= 2 && f.pasid_translated)) {
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
  if (((f.ats_record_errors || f.pasid_translated) && !f.ats) || (f.pri_pasid && !f.pri)) {
    return Refusal::needs_ats;
  }
  if ((f.pri_pasid || f.pasid_translated) && f.substreamid_bits == 0) {
    return Refusal::needs_pasids;
  }
  if (f.vmw && !f.stage2) {
    return Refusal::vmw_stage2;
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
  if (f.ats && f.stall_model == 2) {
    return Refusal::pcie_stalls;
  }
  if (f.stall_model == 1 ? f.stall_max != 0 : f.stall_max == 0) {
    return Refusal::stall_max_zero;
  }
  return wrong_version(f);
}

Refusal not_modelled(const Features& f) {
  const struct {
    bool asked;
    Refusal why;
  } all[] = {{f.version > 3, Refusal::no_v34},
             {f.secure, Refusal::no_secure},
             {f.rme, Refusal::no_rme},
             {f.aarch32, Refusal::no_aarch32},
             {f.big_endian, Refusal::no_big_endian},
             {f.vatos, Refusal::no_vatos},
             {f.atos, Refusal::no_atos},
             {f.ecmdq, Refusal::no_ecmdq},
             {f.mpam, Refusal::no_mpam},
             {f.dpt, Refusal::no_dpt},
             {f.ds, Refusal::no_ds},
             {f.d128, Refusal::no_d128}};
  for (const auto& one : all) {
    if (one.asked) {
      return one.why;
    }
  }
  return Refusal::none;
}

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

base::Errc errc(Refusal refusal) {
  return refusal < Refusal::no_stage ? base::Errc::invalid_argument
         : refusal < Refusal::no_v34 ? base::Errc::bad_hardware
                                     : base::Errc::unsupported;
}

arch::IdRegisters identity(const Features& f) {
  using arch::AIDR, arch::IDR0, arch::IDR1, arch::IDR3, arch::IDR5;
  arch::IdRegisters id;
  id.idr0.set(IDR0::S1P, f.stage1).set(IDR0::S2P, f.stage2).set(IDR0::TTF, arch::Ttf::aarch64);
  id.idr0.set(IDR0::COHACC, f.coherent).set(IDR0::BTM, f.btm).set(IDR0::HTTU, static_cast<arch::Httu>(f.httu));
  id.idr0.set(IDR0::Hyp, f.hyp).set(IDR0::ATS, f.ats).set(IDR0::PRI, f.pri).set(IDR0::MSI, f.msi);
  id.idr0.set(IDR0::NS1ATS, f.ats && f.stage1 && f.stage2 && !f.split_stage_ats);
  id.idr0.set(IDR0::ATSRECERR, f.ats_record_errors);
  id.idr0.set(IDR0::SEV, f.sev).set(IDR0::ASID16, f.asid16).set(IDR0::VMID16, f.vmid16).set(IDR0::VMW, f.vmw);
  id.idr0.set(IDR0::CD2L, f.two_level_cds).set(IDR0::TTENDIAN, arch::TtEndian::little);
  id.idr0.set(IDR0::STALL_MODEL, static_cast<arch::StallModel>(f.stall_model));
  id.idr0.set(IDR0::TERM_MODEL, f.terminate_only_abort);
  id.idr0.set(IDR0::ST_LEVEL, f.two_level_streams ? arch::StLevel::two_level : arch::StLevel::linear);
  id.idr1.set(IDR1::SIDSIZE, f.streamid_bits).set(IDR1::SSIDSIZE, f.substreamid_bits);
  id.idr1.set(IDR1::PRIQS, f.pri ? f.priq_log2 : 0).set(IDR1::EVENTQS, f.eventq_log2).set(IDR1::CMDQS, f.cmdq_log2);
  id.idr1.set(IDR1::ATTR_PERMS_OVR, f.attr_perms_override).set(IDR1::ATTR_TYPES_OVR, f.attr_types_override);
  id.idr3.set(IDR3::HAD, f.had).set(IDR3::XNX, f.xnx).set(IDR3::FWB, f.fwb).set(IDR3::STT, f.small_tables);
  id.idr3.set(IDR3::RIL, f.range_invalidation).set(IDR3::BBML, static_cast<arch::Bbml>(f.bbml));
  id.idr3.set(IDR3::E0PD, f.e0pd).set(IDR3::PTWNNC, f.ptwnnc);
  id.idr3.set(IDR3::PPS, f.pri_pasid).set(IDR3::PASIDTT, f.pasid_translated);
  id.idr5.set(IDR5::OAS, arch::address_size(f.oas_bits)).set(IDR5::STALL_MAX, f.stall_max);
  id.idr5.set(IDR5::GRAN4K, f.gran4k).set(IDR5::GRAN16K, f.gran16k).set(IDR5::GRAN64K, f.gran64k);
  id.idr5.set(IDR5::VAX, f.va52 ? arch::Vax::bits52 : arch::Vax::bits48);
  id.aidr.set(AIDR::ArchMinorRev, f.version);
  return id;
}

} // namespace sluice::model
