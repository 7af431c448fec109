#include <sluice/driver/guest_ste.hpp>

#include <sluice/driver/entries.hpp>

namespace sluice::driver {

using base::Errc;
using namespace arch;

namespace {

constexpr std::array<std::uint64_t, 2> stage1_fields{Ste::S1Fmt.mask | Ste::S1ContextPtr.mask | Ste::S1CDMax.mask,
                                                     Ste::S1DSS.mask | Ste::S1CIR.mask | Ste::S1COR.mask |
                                                         Ste::S1CSH.mask | Ste::S1STALLD.mask};
constexpr std::array<std::uint64_t, 2> guests_bits{stage1_fields[0] | Ste::V.mask | Ste::Config.mask,
                                                   stage1_fields[1] | Ste::EATS.mask};

} // namespace

base::Result<GuestSte> guest_ste(const uapi::arm_smmuv3::NestedSte& words) {
  Ste ste;
  ste.w[0] = words.ste[0];
  ste.w[1] = words.ste[1];
  GuestSte guest;
  if (ste.get(Ste::V) == 0) { // 5.2 STE.V: everything else is IGNORED
    return guest;
  }
  if ((ste.w[0] & ~guests_bits[0]) != 0 || (ste.w[1] & ~guests_bits[1]) != 0) {
    return Errc::reserved_bits;
  }
  const Eats eats = ste.get(Ste::EATS);
  guest.config = ste.get(Ste::Config);
  const bool known =
      guest.config == SteConfig::abort || guest.config == SteConfig::bypass || guest.config == SteConfig::stage1;
  if (!known || (eats != Eats::none && eats != Eats::full)) {
    return Errc::reserved_bits;
  }
  if (guest.config == SteConfig::stage1) {
    guest.stage1 = {ste.w[0] & stage1_fields[0], ste.w[1] & stage1_fields[1]};
    guest.wants_ats = eats == Eats::full;
  }
  return guest;
}

Ste merged_ste(const GuestSte& guest, const Ste& stage2) {
  if (guest.config == SteConfig::abort) {
    return abort_ste();
  }
  if (guest.config == SteConfig::bypass) {
    return stage2;
  }
  Ste ste = stage2;
  ste.set(Ste::Config, SteConfig::nested);
  ste.w[0] |= guest.stage1[0];
  ste.w[1] |= guest.stage1[1];
  ste.set(Ste::S2PTW, 1); // a guest's tables are memory, not devices
  ste.set(Ste::MEV, 1);   // 7.3.1: a guest's faults may be merged before they fill the queue that all share
  return ste;
}

} // namespace sluice::driver
