#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

// What a virtual SMMU needs of the monitor that embeds it.
namespace sluice::vsmmu {

// A call on a descriptor, as ioctl(2) makes it: 0 or more, or a negative errno. Descriptors are /dev/iommu's and those
// of VFIO devices.
using Ioctl = std::function<int(int fd, unsigned long request, void* argument)>;

// As write(2): bytes that were taken, or a negative errno. To the descriptor of faults that wait.
using Answers = std::function<long(int fd, const void* from, std::size_t size)>;

// The guest's physical memory, as its SMMU reaches it. False: there is none, or not for that; then nothing was moved
// that anybody relies on.
class GuestMemory {
public:
  virtual bool read(std::uint64_t address, void* into, std::size_t size) = 0;
  virtual bool write(std::uint64_t address, const void* from, std::size_t size) = 0;

protected:
  ~GuestMemory() = default;
};

// The wires of the guest's SMMU. 3.18
enum class Wire : std::uint8_t { event_queue, command_sync, global_error };

// How the guest's SMMU makes itself heard. Called within a call of the monitor's own, and must not call back.
class Interrupts {
public:
  // A message-signalled interrupt: 32 bits of data to an address of the guest's, where its interrupt controller or its
  // memory is. What was written to memory before is to be seen before it. False: the write is aborted.
  virtual bool message(std::uint64_t address, std::uint32_t data) = 0;
  // An edge.
  virtual void pulse(Wire wire) = 0;
  // A WFE event for the guest's processors. 4.7.3 CS=SEV
  virtual void wake() {}

protected:
  ~Interrupts() = default;
};

} // namespace sluice::vsmmu
