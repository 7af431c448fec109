#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::iommu {

class Device;
class Domain;

enum class FaultKind : std::uint8_t {
  translation,  // nothing is mapped there
  permission,   // mapped, but not for this access
  access_flag,  // mapped, and the access flag is clear
  address_size, // an address beyond what a stage can take or give
  walk_abort,   // memory with tables could not be read
  config,       // the device's configuration is not valid
  config_abort, // memory with configuration could not be read
  bad_stream,   // no configuration for this requester
  bad_pasid,    // no configuration for this PASID
  no_pasid,     // this requester needs a PASID
  bad_request,  // a request that this configuration forbids (ATS off, translated requests refused)
  unsupported,  // a transaction that the IOMMU cannot translate at all
  conflict,     // tables or configuration contradict themselves
  page_hint,    // not a fault: a page that will be wanted
  other,        // only the record says more
};

// One fault as it was recorded. Valid during the call that hands it over.
struct Fault {
  FaultKind kind{FaultKind::other};
  Device* device{}; // null: no device of ours
  Domain* domain{}; // attached when the record was read
  std::uint32_t requester{};
  bool has_pasid{};
  std::uint32_t pasid{};
  bool has_address{};
  std::uint64_t iova{};
  bool has_output{};
  std::uint64_t output{}; // the intermediate address that the second stage refused, or what could not be fetched
  bool write{};
  bool execute{};
  bool privileged{};
  bool second_stage{};
  bool stalled{}; // the transaction waits for an answer
  std::uint16_t stall_tag{};
  std::span<const std::byte> record; // as the hardware wrote it
};

// Called in a read section, from an interrupt or from whoever polls: no waiting, no attach, no destroy.
class FaultHandler {
public:
  virtual void on_fault(const Fault& fault) = 0;

protected:
  ~FaultHandler() = default;
};

} // namespace sluice::iommu
