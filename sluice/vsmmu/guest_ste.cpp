#include <sluice/vsmmu/guest_ste.hpp>

namespace sluice::vsmmu {

using namespace arch;

namespace {

// 5.2.2 as far as it is about stage 1 of a Non-secure stream without stage 2.
bool illegal_stage1(const Ste& ste, const IdRegisters& id) {
  const unsigned substreams = substream_id_bits(id);
  const auto cds = ste.get(Ste::S1CDMax);
  const bool two_level =
      ste.get(Ste::S1Fmt) == S1Format::two_level_4k || ste.get(Ste::S1Fmt) == S1Format::two_level_64k;
  if (ste.get(Ste::S1STALLD) != 0 && id.idr0.get(IDR0::STALL_MODEL) != StallModel::stall_or_terminate) {
    return true;
  }
  if (substreams != 0 && (cds > substreams || (cds != 0 && two_level && id.idr0.get(IDR0::CD2L) == 0))) {
    return true;
  }
  if (has(id, Feature::ats) && ste.get(Ste::EATS) == Eats::split) { // of streams with both stages
    return true;
  }
  return ste.get(Ste::S1ContextPtr) >> oas_bits(id) != 0; // 3.4.3
}

} // namespace

SteMeaning meaning_of(const Ste& ste, const IdRegisters& id) {
  if (ste.get(Ste::V) == 0 || aborts(ste.get(Ste::Config))) {
    return {};
  }
  const auto host = Ste{}.with(Ste::V, 1).with(Ste::Config, ste.get(Ste::Config));
  if (ste.get(Ste::Config) == SteConfig::bypass) {
    return {Stream::bypasses, false, {host.w[0], host.w[1]}};
  }
  if (translates_stage2(ste.get(Ste::Config)) || illegal_stage1(ste, id)) {
    return {Stream::aborts, true, {}};
  }
  Ste s = host.with(Ste::S1ContextPtr, ste.get(Ste::S1ContextPtr));
  s.set(Ste::S1CIR, ste.get(Ste::S1CIR)).set(Ste::S1COR, ste.get(Ste::S1COR)).set(Ste::S1CSH, ste.get(Ste::S1CSH));
  s.set(Ste::S1STALLD, ste.get(Ste::S1STALLD));
  if (substream_id_bits(id) != 0 && ste.get(Ste::S1CDMax) != 0) {
    s.set(Ste::S1CDMax, ste.get(Ste::S1CDMax))
        .set(Ste::S1Fmt, ste.get(Ste::S1Fmt))
        .set(Ste::S1DSS, ste.get(Ste::S1DSS));
  }
  if (has(id, Feature::ats) && ste.get(Ste::EATS) == Eats::full) { // 3 is reserved without DPT, and behaves as 0
    s.set(Ste::EATS, Eats::full);
  }
  return {Stream::stage1, false, {s.w[0], s.w[1]}};
}

} // namespace sluice::vsmmu
