#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/base/atomic.hpp>
#include <sluice/hosted/arena.hpp>

#include <cstdint>

namespace sluice::machine {

// What a driver hands to its SMMU, as somebody between them sees it: told of the frame's writes, it finds in RAM the
// commands between the old and the new CMDQ_PROD.
class CommandView {
public:
  explicit CommandView(const hosted::Arena& arena) : arena_{arena} {}

  // CMDQ_BASE
  void on_write32(std::uint32_t offset, std::uint32_t value) {
    constexpr std::uint32_t low = arch::CMDQ_BASE::offset;
    const std::uint64_t base = base_.load(base::Order::relaxed);
    if (offset == low) {
      base_.store((base & ~0xffff'ffffULL) | value, base::Order::relaxed);
    } else if (offset == low + 4) {
      base_.store((base & 0xffff'ffffULL) | static_cast<std::uint64_t>(value) << 32, base::Order::relaxed);
    }
  }
  void on_write64(std::uint32_t offset, std::uint64_t value) {
    if (offset == arch::CMDQ_BASE::offset) {
      base_.store(value, base::Order::relaxed);
    }
  }
  // Commands that a write of CMDQ_PROD hands over, two words each. Each is seen once, whoever writes.
  template <class F>
  void each_new(std::uint32_t prod, F f) {
    const std::uint32_t before = prod_.exchange(prod, base::Order::relaxed);
    const auto base = arch::CMDQ_BASE::from(base_.load(base::Order::relaxed));
    const auto log2size = static_cast<unsigned>(base.get(arch::CMDQ_BASE::LOG2SIZE));
    const std::uint32_t indices = (2u << log2size) - 1; // index and wrap bit
    const auto queue = arena_.at(base.get(arch::CMDQ_BASE::ADDR), sizeof(arch::Command) << log2size);
    if (!queue) {
      return;
    }
    auto* const words = static_cast<base::DmaWord*>(*queue);
    for (std::uint32_t at = before & indices; at != (prod & indices); at = (at + 1) & indices) {
      f(words + 2 * (at & (indices >> 1)));
    }
  }
  static arch::Command load(const base::DmaWord* entry) {
    arch::Command command;
    command.w = {entry[0].load(base::Order::relaxed), entry[1].load(base::Order::relaxed)};
    return command;
  }
  static void store(base::DmaWord* entry, const arch::Command& command) {
    entry[0].store(command.w[0], base::Order::relaxed);
    entry[1].store(command.w[1], base::Order::relaxed);
  }

private:
  const hosted::Arena& arena_;
  base::Atomic<std::uint64_t> base_{0}; // CMDQ_BASE
  base::Atomic<std::uint32_t> prod_{0}; // CMDQ_PROD as it was last written
};

} // namespace sluice::machine
