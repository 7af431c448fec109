#pragma once

#include <sluice/arch/features.hpp>
#include <sluice/base/result.hpp>
#include <sluice/uapi/arm_smmuv3.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

// What a guest gets to know of its SMMU: its ID registers. They are settled when the guest starts and cannot change, so
// that hosts between which it migrates have to agree on them beforehand.
namespace sluice::vsmmu {

// What IOMMU_GET_HW_INFO says of a device and the SMMU that it is behind.
struct HostFacts {
  uapi::arm_smmuv3::HwInfo info{};
  unsigned max_pasid_log2{};
  std::uint64_t capabilities{}; // uapi::iommufd::HwCapabilities
};

// Of two devices behind one SMMU: the SMMU has what either of them can use. What a device itself has not got its
// configuration space does not show, so that a guest does not ask for it.
HostFacts together(const HostFacts& a, const HostFacts& b);

// What the monitor itself brings, whatever the host has.
struct Own {
  unsigned stream_bits{16};                            // IDR1.SIDSIZE
  unsigned substream_bits{20};                         // IDR1.SSIDSIZE, as far as host and device have as many
  unsigned command_queue_log2{10};                     // IDR1.CMDQS: one write of CMDQ_PROD makes so many calls at most
  unsigned event_queue_log2{10};                       // IDR1.EVENTQS
  arch::AddressSize output{arch::AddressSize::bits44}; // IDR5.OAS: the guest's physical addresses
  bool messages{true};                                 // IDR0.MSI
  bool wake{};                                         // IDR0.SEV
  unsigned stalls{}; // IDR5.STALL_MAX: transactions that may wait for the guest; 0: none wait (IDR0.STALL_MODEL)
};

// A field that keeps two parties from agreeing, or a guest from having what it was promised.
struct Refusal {
  std::string_view reg{}; // "IDR0"
  std::string_view field{};
  std::uint64_t wanted{};
  std::uint64_t offered{};
};

// The most that a guest on this host may be given. Of the host's words only those fields are taken that iommufd lets
// programs rely on, and what needs an answer that iommufd has no call for (page requests) is left out. Errors:
// missing_feature, with `why`.
base::Result<arch::IdRegisters> offer(const HostFacts& host, const Own& own, Refusal* why = nullptr);
// The first field in which `wanted` asks for more than is offered.
std::optional<Refusal> beyond(const arch::IdRegisters& wanted, const arch::IdRegisters& offered);
// The most that is within both. Errors: missing_feature (nothing is), with `why`.
base::Result<arch::IdRegisters> intersect(const arch::IdRegisters& a, const arch::IdRegisters& b,
                                          Refusal* why = nullptr);

} // namespace sluice::vsmmu
