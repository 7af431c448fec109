#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/machine/command_view.hpp>
#include <sluice/platform/mmio.hpp>

#include <array>
#include <cstdint>

namespace sluice::machine {

// A register frame that counts the commands that software gives, by opcode.
class CommandCensus final : public platform::Mmio {
public:
  CommandCensus(platform::Mmio& inner, const hosted::Arena& arena) : inner_{inner}, view_{arena} {}

  std::uint64_t count(arch::Opcode opcode) const {
    return counts_[static_cast<std::uint8_t>(opcode)].load(base::Order::relaxed);
  }

  std::uint32_t read32(std::uint32_t offset) override { return inner_.read32(offset); }
  std::uint64_t read64(std::uint32_t offset) override { return inner_.read64(offset); }
  void write32(std::uint32_t offset, std::uint32_t value) override {
    view_.on_write32(offset, value);
    if (offset == arch::CMDQ_PROD::offset) {
      view_.each_new(value, [this](const base::DmaWord* entry) {
        const auto opcode = CommandView::load(entry).get(arch::Command::Opcode);
        counts_[static_cast<std::uint8_t>(opcode)].fetch_add(1, base::Order::relaxed);
      });
    }
    inner_.write32(offset, value);
  }
  void write64(std::uint32_t offset, std::uint64_t value) override {
    view_.on_write64(offset, value);
    inner_.write64(offset, value);
  }

private:
  platform::Mmio& inner_;
  CommandView view_;
  std::array<base::Atomic<std::uint64_t>, 256> counts_{}; // 4.1.1: an opcode has 8 bits
};

} // namespace sluice::machine
