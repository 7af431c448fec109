#pragma once

#include "rig.hpp"

namespace sluice::model::test {

// A page that requests are for, and bits of its descriptor.
inline constexpr std::uint64_t ats_va = 0x40'0000;
inline constexpr std::uint64_t ats_pa = 0x80'0000;
inline constexpr std::uint64_t ats_xn = 1ULL << 54, ats_pxn = 1ULL << 53, ats_dbm = 1ULL << 51, ats_af = 1ULL << 10;
inline constexpr std::uint64_t ats_ap_user = 1ULL << 6, ats_ap_ro = 1ULL << 7;

// A Rig with ATS and PRI, with ATSCHK and a PRI queue.
class AtsRig : public Rig {
public:
  static Features with_ats() {
    Features f = with_substreams();
    f.version = 3;
    f.e0pd = f.ptwnnc = true;
    f.ats = f.pri = f.ats_record_errors = true;
    f.httu = 2;
    f.stall_model = 0;
    f.stall_max = 4;
    return f;
  }

  explicit AtsRig(const Features& features = with_ats(), const Knobs& knobs = {}) : Rig{features, knobs, false} {
    priq = ram.alloc(16ULL << priq_log2, 4096);
    w64<arch::PRIQ_BASE>(priq | priq_log2);
    record_errors(false);
    w32<arch::CR0>(all);
  }

  static constexpr std::uint32_t smmuen = 1, priqen = 2, eventqen = 4, cmdqen = 8, atschk = 16;
  static constexpr std::uint32_t all = smmuen | priqen | eventqen | cmdqen | atschk;

  // CR2, before SMMUEN: RECINVSID, REC_CFG_ATS
  void record_errors(bool record, bool streamids = true) {
    const std::uint32_t cr0 = r32<arch::CR0>();
    w32<arch::CR0>(cr0 & ~smmuen);
    w32<arch::CR2>((streamids ? 2U : 0U) | (record ? 8U : 0U));
    w32<arch::CR0>(cr0);
  }

  Ste full(Ste ste) const { return ste.set(Ste::EATS, arch::Eats::full); }
  Ste split(Ste ste) const { return ste.set(Ste::EATS, arch::Eats::split); }

  // Stream `sid` with a tree of its own and full ATS.
  Tree ats_stream(std::uint32_t sid) {
    const auto s = stage1_stream(sid);
    put_ste(sid, full(stage1_ste(s.cd_at)));
    return s.tree;
  }

  RequestedTranslation ask(const TranslationRequest& r) { return port->request_translation(r); }
  TranslationCompletion completion(const TranslationRequest& r) {
    const auto c = ask(r).completion;
    EXPECT_TRUE(c.succeeded());
    return c;
  }
  Outcome translated(const Request& r, std::uint64_t value = 0x77) {
    Port::Burst burst{*port};
    return burst.access_translated(r, &value);
  }
  Outcome read_translated(std::uint32_t sid, std::uint64_t address) {
    return translated({.stream_id = sid, .address = address, .size = 8});
  }
  Outcome write_translated(std::uint32_t sid, std::uint64_t address, std::uint64_t value = 0x77) {
    return translated({.stream_id = sid, .address = address, .size = 8, .write = true}, value);
  }

  // New records of the PRI queue, consumed.
  std::vector<arch::PriRecord> page_requests() {
    const std::uint32_t prod = r32<arch::PRIQ_PROD>(); // once: more may come meanwhile
    auto records = page_requests_before(prod);
    pri_cons = prod & pri_mask();
    w32<arch::PRIQ_CONS>(pri_cons | (prod & 0x8000'0000));
    return records;
  }
  std::vector<arch::PriRecord> peek_page_requests() { return page_requests_before(r32<arch::PRIQ_PROD>()); }

  unsigned priq_log2{2};
  std::uint64_t priq{};
  std::uint32_t pri_cons{0};

private:
  std::vector<arch::PriRecord> page_requests_before(std::uint32_t prod) {
    std::vector<arch::PriRecord> records;
    for (std::uint32_t at = pri_cons; at != (prod & pri_mask()); at = (at + 1) & pri_mask()) {
      arch::PriRecord record;
      for (unsigned i = 0; i < 2; ++i) {
        record.w[i] = ram.get(priq + (at & (pri_mask() >> 1)) * 16ULL + i * 8);
      }
      records.push_back(record);
    }
    return records;
  }
  std::uint32_t pri_mask() const { return (2U << priq_log2) - 1; }
};

} // namespace sluice::model::test
