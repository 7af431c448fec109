#pragma once

#include <sluice/base/result.hpp>
#include <sluice/platform/time.hpp>

#include <ports/qemu/pci.hpp>

#include <cstdint>

namespace sluice::ports::qemu {

// QEMU's teaching device: a buffer of 4 KiB of its own and one DMA channel to and from it. It never learns that its DMA
// was refused; a read that was refused leaves what the SMMU's side answered.
class Edu {
public:
  static constexpr std::uint32_t id = 0x11e8'1234;
  // QEMU ends itself at a transfer that touches the buffer's last byte.
  static constexpr std::uint32_t room = 4096 - 8;

  // `function` has this id and its BAR 0 is placed.
  Edu(Qtest& bus, PciFunction& function, platform::Time& time);

  // The register that answers the complement of what is written.
  bool alive();
  // The device reads `size` bytes at `iova` into its buffer at `offset`. Errors: too_large, timed_out, aborted (no
  // device answers any more).
  base::Status fetch(std::uint64_t iova, std::uint32_t offset, std::uint32_t size);
  // The device writes from its buffer to `iova`. Errors: as fetch's.
  base::Status deliver(std::uint32_t offset, std::uint64_t iova, std::uint32_t size);

private:
  base::Status transfer(std::uint64_t source, std::uint64_t target, std::uint32_t size, std::uint64_t direction);

  Qtest& bus_;
  PciFunction& function_;
  platform::Time& time_;
};

} // namespace sluice::ports::qemu
