#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace sluice::pcie {

// PCI Express Base Specification 6.1.4.2, 7.7.2: an MSI-X table and its pending bits, in one page of a BAR. Registers
// only: who uses them holds the function's lock, and sends the messages that take() hands out.
class Msix {
public:
  static constexpr std::uint16_t largest = 16;
  static constexpr std::uint64_t page = 4096;
  static constexpr std::uint32_t pending_offset = 2048;

  // Message Control, as far as software writes it
  static constexpr std::uint16_t enable_bit = 1u << 15;
  static constexpr std::uint16_t function_mask_bit = 1u << 14;

  explicit Msix(std::uint16_t vectors) : vectors_{vectors} {}

  // Within the page. By 4 or 8 bytes; other accesses read as zero and have no effect.
  std::uint64_t read(std::uint64_t offset, unsigned size) const;
  void write(std::uint64_t offset, unsigned size, std::uint64_t value);
  void set_control(std::uint16_t control) { control_ = control; }
  bool enabled() const { return (control_ & enable_bit) != 0; }

  void post(std::uint16_t vector);

  struct Message {
    std::uint64_t address{};
    std::uint32_t data{};
  };
  // A message that is pending and not masked, if there is one; it is pending no more.
  std::optional<Message> take();
  bool ready() const { return ready_vector() < vectors_; }
  void reset();

private:
  struct Entry {
    std::uint64_t address{};
    std::uint32_t data{};
    std::uint32_t control{masked};
    static constexpr std::uint32_t masked = 1;
  };
  std::uint32_t word(std::uint64_t offset) const;
  void set_word(std::uint64_t offset, std::uint32_t value);
  std::uint16_t ready_vector() const;

  std::uint16_t vectors_;
  std::uint16_t control_{};
  std::array<Entry, largest> entries_{};
  std::uint32_t pending_{};
};

} // namespace sluice::pcie
