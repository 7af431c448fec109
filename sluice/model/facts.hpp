#pragma once

#include <sluice/arch/geometry.hpp>
#include <sluice/model/idr.hpp>
#include <sluice/model/observer.hpp>
#include <sluice/model/places.hpp>

#include <cstdint>

namespace sluice::model {

constexpr std::uint64_t mask_below(unsigned bits) { return bits >= 64 ? ~0ULL : (1ULL << bits) - 1; }

// Features and knobs as the rules about structures ask for them.
struct Facts {
  Features features{};
  Knobs knobs{};
  arch::IdRegisters id{};
  unsigned oas{};               // 3.4
  unsigned ias{};               // 3.4: VMSAv8-64 only, so it is OAS
  unsigned pointer_bits{};      // of an address field in a structure: 48 in v3.0, 52 from v3.1
  arch::AddressBits wide_64k{}; // address bits in descriptors of the 64 KB granule

  std::uint64_t oas_mask() const { return mask_below(oas); }
  arch::AddressBits address_bits(arch::Granule g) const {
    return g == arch::Granule::k64 ? wide_64k : arch::AddressBits::a48;
  }

  void met(Condition::Kind kind, std::uint16_t number) const {
    if (knobs.observer != nullptr) {
      knobs.observer->met({kind, number});
    }
  }
  void met(Place place) const { met(Condition::Kind::place, place.number); }
};

inline Facts facts(const Features& features, const Knobs& knobs) {
  return {features,
          knobs,
          identity(features),
          features.oas_bits,
          features.oas_bits,
          features.version == arch::v3_0 ? 48U : 52U,
          features.oas_bits == 52 ? arch::AddressBits::a52 : arch::AddressBits::a48};
}

} // namespace sluice::model
