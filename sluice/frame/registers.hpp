#pragma once

#include <sluice/arch/features.hpp>
#include <sluice/arch/register_map.hpp>
#include <sluice/base/atomic.hpp>

#include <array>
#include <cstdint>

namespace sluice::frame {

// The words of one register frame and the rules of access to them (6.2). Behaviour is the owner's: it reacts to write()
// and answers with put(). Writers have to take turns; readers need not.
class Registers {
public:
  explicit Registers(const arch::IdRegisters& id);

  // As software reads: `size` is 4 or 8. Unaligned, of another size, over two registers, or where nothing is: 0.
  std::uint64_t read(std::uint32_t offset, unsigned size) const;

  struct Written {
    const arch::RegisterInfo* reg{}; // null: the write hit nothing
    std::uint64_t old{};
    std::uint64_t now{};
    std::uint64_t asked{}; // what `now` would be if nothing stood in the way
    bool taken{};          // false: ignored as a whole

    bool changed() const { return taken && old != now; }
  };
  // As software writes. 6.2: bits that are read-only, reserved, guarded, or whose last write is not acknowledged yet
  // (6.3.9) keep their value.
  Written write(std::uint32_t offset, unsigned size, std::uint64_t value);

  // As the owner reads and writes.
  template <class R>
  R get(base::Order order = base::Order::acquire) const {
    return R::from(static_cast<typename R::Raw>(words_[index_of<R>()].load(order)));
  }
  template <class R>
  void put(R value, base::Order order = base::Order::release) {
    words_[index_of<R>()].store(value.raw(), order);
  }
  // 7.5: toggles the bits of an output flag.
  template <class R>
  void toggle(std::uint64_t bits) {
    words_[index_of<R>()].fetch_xor(bits);
  }

  const arch::IdRegisters& id() const { return id_; }

private:
  static constexpr std::size_t count = arch::register_map.size();

  template <class R>
  static constexpr std::size_t index_of() {
    for (std::size_t i = 0; i < count; ++i) {
      if (arch::register_map[i].offset == R::offset) {
        return i;
      }
    }
    base::check(false);
    return count;
  }
  std::size_t find(std::uint32_t offset, unsigned size) const;
  bool guarded(arch::Guard guard, std::uint64_t value) const;
  std::uint64_t writable(std::size_t index, std::uint64_t value) const;
  void reset(std::size_t index, std::uint64_t value) { words_[index].store(value, base::Order::relaxed); }

  const arch::IdRegisters id_;
  std::array<std::uint64_t, count> exists_{}; // bits that this SMMU has
  std::array<base::Atomic<std::uint64_t>, count> words_{};
};

} // namespace sluice::frame
