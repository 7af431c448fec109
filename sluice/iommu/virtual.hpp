#pragma once

#include <sluice/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

// What a guest's IOMMU needs of the host's. Everything is optional: an absent operation answers unsupported.
namespace sluice::iommu {

class Device;
class Domain;

// Events of a guest's devices, as records that the guest's driver understands. Called in a read section, from an
// interrupt or from whoever polls: no waiting.
class EventSink {
public:
  virtual void on_event(std::span<const std::byte> record) = 0;
  // Some were lost, or will be.
  virtual void on_loss() {}

protected:
  ~EventSink() = default;
};

// Entries of one type and one length, back to back. `done` is how many have been executed, also on an error: entries
// from there on have had no effect.
struct InvalidateRequest {
  std::uint32_t type{};
  std::size_t entry_size{};
  std::span<const std::byte> entries;
  std::uint32_t done{};
};

// The part of a Unit that one guest has.
class Viommu {
public:
  Viommu(const Viommu&) = delete;
  Viommu& operator=(const Viommu&) = delete;

  // A guest's first stage, described in the words of its kind.
  virtual base::Result<Domain*> nested_alloc(std::uint32_t, std::span<const std::byte>) {
    return base::Errc::unsupported;
  }
  // The guest calls the device by this name.
  virtual base::Status vdevice_add(Device&, std::uint64_t /*virtual_id*/) { return base::Errc::unsupported; }
  virtual base::Status vdevice_remove(Device&) { return base::Errc::unsupported; }
  virtual base::Status invalidate(InvalidateRequest& request) {
    request.done = 0;
    return base::Errc::unsupported;
  }
  // Null: none. When it returns the sink before is not running and will not be called again. Not in a read section.
  virtual base::Status set_event_sink(std::uint32_t, EventSink*) { return base::Errc::unsupported; }
  // Errors: in_use (nested domains or devices are left).
  virtual base::Status destroy() = 0;

protected:
  Viommu() = default;
  ~Viommu() = default;
};

} // namespace sluice::iommu
