#pragma once

#include <sluice/base/field.hpp>

namespace sluice::arch {

// 8 A PRI queue entry. A Stop PASID marker is Last = 1, W = R = 0 with SSV = 1.
struct PriRecord : base::Words<PriRecord, 2> {
  static constexpr base::Field<PriRecord, 31, 0> StreamID{};
  static constexpr base::Field<PriRecord, 51, 32> SubstreamID{};
  static constexpr base::Field<PriRecord, 58> Priv{};
  static constexpr base::Field<PriRecord, 59> X{};
  static constexpr base::Field<PriRecord, 60> R{};
  static constexpr base::Field<PriRecord, 61> W{};
  static constexpr base::Field<PriRecord, 62> Last{};
  static constexpr base::Field<PriRecord, 63> SSV{};

  static constexpr base::Field<PriRecord, 72, 64> PRGIndex{};
  static constexpr base::Address<PriRecord, 127, 76> PageAddr{};

  static constexpr base::FieldList fields{StreamID, SubstreamID, Priv, X, R, W, Last, SSV, PRGIndex, PageAddr};
};
static_assert(base::well_formed<PriRecord>());
static_assert(sizeof(PriRecord) == 16);

constexpr bool is_stop_marker(const PriRecord& r) {
  return r.get(PriRecord::SSV) == 1 && r.get(PriRecord::Last) == 1 && r.get(PriRecord::W) == 0 &&
         r.get(PriRecord::R) == 0;
}

// 8.1 Response codes of a PRG Response message, as PCIe spells them.
enum class PrgResponse : std::uint8_t { success = 0b0000, invalid_request = 0b0001, failure = 0b1111 };

} // namespace sluice::arch
