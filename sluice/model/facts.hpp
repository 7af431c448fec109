#pragma once

#include <sluice/arch/sizes.hpp>
#include <sluice/model/features.hpp>

#include <cstdint>

namespace sluice::model {

// Features and knobs as the rules about structures ask for them.
struct Facts {
  Features features{};
  Knobs knobs{};
  unsigned oas{}; // 3.4
  unsigned ias{}; // 3.4: VMSAv8-64 only, so IAS is OAS
  unsigned lpa{}; // bits of an address field in a structure: 48 in v3.0, 52 from v3.1
  std::uint64_t oas_mask{};

  bool stalls() const { return features.stall_model != 1; } // 5.5
};

constexpr std::uint64_t mask_below(unsigned bits) { return bits >= 64 ? ~0ULL : (1ULL << bits) - 1; }

inline Facts facts(const Features& features, const Knobs& knobs) {
  Facts f{features, knobs, features.oas_bits, features.oas_bits, features.version == 0 ? 48U : 52U, 0};
  f.oas_mask = mask_below(f.oas);
  return f;
}

// 5.2 S2PS, 5.4 IPS: the size in bits, capped to OAS. A code beyond what the version knows acts as the largest it does.
constexpr unsigned address_bits(arch::AddressSize code, const Facts& f) {
  constexpr unsigned bits[] = {32, 36, 40, 42, 44, 48, 52, 56};
  unsigned n = bits[static_cast<unsigned>(code)];
  const unsigned most = f.features.version == 0 ? 48 : 52;
  n = n < most ? n : most;
  return n < f.oas ? n : f.oas;
}

} // namespace sluice::model
