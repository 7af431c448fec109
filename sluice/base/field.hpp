#pragma once

#include <sluice/base/check.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

// Structures of 64-bit little-endian words, described once as constexpr fields:
//
//   struct Ste : Words<Ste, 8> {
//     static constexpr Field<Ste, 0> V{};                          // 5.2
//     static constexpr Field<Ste, 3, 1, Config> Config_{};
//     static constexpr Address<Ste, 55, 6> S1ContextPtr{};
//     static constexpr base::FieldList fields{V, Config_, S1ContextPtr, ...};
//   };
//   static_assert(well_formed<Ste>());
//
// Bit numbers are the manual's: absolute from bit 0 of word 0. A bit in no field is reserved; reading, changing and
// writing a structure keeps reserved bits as they were.
namespace sluice::base {

namespace detail {
constexpr std::uint64_t ones(unsigned width) { return width >= 64 ? ~0ULL : (1ULL << width) - 1; }
} // namespace detail

// Bits Hi..Lo of structure S, as a value of type T counted from bit Lo.
template <class S, unsigned Hi, unsigned Lo = Hi, class T = std::uint64_t>
struct Field {
  static_assert(Lo <= Hi && Hi / 64 == Lo / 64, "a field lies in one 64-bit word");
  using Structure = S;
  using Value = T;
  static constexpr bool is_address = false;
  static constexpr unsigned hi = Hi;
  static constexpr unsigned lo = Lo;
  static constexpr unsigned width = Hi - Lo + 1;
  static constexpr unsigned word = Lo / 64;
  static constexpr unsigned shift = Lo % 64;
  static constexpr std::uint64_t mask = detail::ones(width) << shift;

  static constexpr bool holds(T value) { return (static_cast<std::uint64_t>(value) & ~detail::ones(width)) == 0; }
  static constexpr std::uint64_t put(T value) {
    check(holds(value));
    return static_cast<std::uint64_t>(value) << shift;
  }
  static constexpr T take(std::uint64_t w) { return static_cast<T>((w & mask) >> shift); }
};

// Bits Hi..Lo of a word that are bits Hi..Lo of an address (modulo 64): the value is the address itself.
template <class S, unsigned Hi, unsigned Lo>
struct Address {
  static_assert(Lo <= Hi && Hi / 64 == Lo / 64, "a field lies in one 64-bit word");
  using Structure = S;
  using Value = std::uint64_t;
  static constexpr bool is_address = true;
  static constexpr unsigned hi = Hi;
  static constexpr unsigned lo = Lo;
  static constexpr unsigned width = Hi - Lo + 1;
  static constexpr unsigned word = Lo / 64;
  static constexpr unsigned shift = Lo % 64;
  static constexpr std::uint64_t mask = detail::ones(width) << shift;

  static constexpr bool holds(std::uint64_t address) { return (address & ~mask) == 0; }
  static constexpr std::uint64_t put(std::uint64_t address) {
    check(holds(address));
    return address;
  }
  static constexpr std::uint64_t take(std::uint64_t w) { return w & mask; }
};

// Where a field lies, as a value.
struct FieldBits {
  unsigned hi{};
  unsigned lo{};
  bool address{};

  constexpr unsigned word() const { return lo / 64; }
  constexpr std::uint64_t mask() const { return detail::ones(hi - lo + 1) << (lo % 64); }
  friend constexpr bool operator==(const FieldBits&, const FieldBits&) = default;
};

// The fields of a structure, in the manual's order.
template <class... F>
struct FieldList {
  constexpr FieldList(F...) {}

  static constexpr std::size_t size = sizeof...(F);
  static constexpr std::array<FieldBits, size> bits{FieldBits{F::hi, F::lo, F::is_address}...};

  // Calls f with all of them.
  template <class Use>
  static constexpr decltype(auto) apply(Use use) {
    return use(F{}...);
  }
};

template <class... A, class... B>
constexpr FieldList<A..., B...> operator+(FieldList<A...>, FieldList<B...>) {
  return {A{}..., B{}...};
}

template <class F, class S>
concept FieldOf = std::is_same_v<typename F::Structure, S>;

// The words of a structure, in host order. `Self` is the deriving structure.
template <class Self, std::size_t N>
struct Words {
  static constexpr std::size_t word_count = N;
  static constexpr std::size_t byte_size = N * 8;

  std::array<std::uint64_t, N> w{};

  template <FieldOf<Self> F>
  constexpr typename F::Value get(F) const {
    return F::take(w[F::word]);
  }
  template <FieldOf<Self> F>
  constexpr Self& set(F, typename F::Value value) {
    w[F::word] = (w[F::word] & ~F::mask) | F::put(value);
    return static_cast<Self&>(*this);
  }
  template <FieldOf<Self> F>
  constexpr Self with(F f, typename F::Value value) const {
    Self copy = static_cast<const Self&>(*this);
    copy.set(f, value);
    return copy;
  }
  friend constexpr bool operator==(const Words&, const Words&) = default;
};

// The union of all fields' bits, word by word.
template <class S>
constexpr std::array<std::uint64_t, S::word_count> defined_bits() {
  std::array<std::uint64_t, S::word_count> bits{};
  for (const FieldBits& field : S::fields.bits) {
    bits[field.word()] |= field.mask();
  }
  return bits;
}

// Bits that no field owns. 5: software writes 0.
template <class S>
constexpr std::array<std::uint64_t, S::word_count> reserved_bits() {
  auto bits = defined_bits<S>();
  for (auto& word : bits) {
    word = ~word;
  }
  return bits;
}

template <class S>
constexpr bool reserved_zero(const S& s) {
  constexpr auto reserved = reserved_bits<S>();
  for (std::size_t i = 0; i < S::word_count; ++i) {
    if ((s.w[i] & reserved[i]) != 0) {
      return false;
    }
  }
  return true;
}

// Every field inside the structure and no two fields on one bit. Structures whose layout depends on an opcode list one
// layout each.
template <class S>
constexpr bool well_formed() {
  static_assert(sizeof(S) == S::byte_size);
  std::array<std::uint64_t, S::word_count> seen{};
  for (const FieldBits& field : S::fields.bits) {
    if (field.word() >= S::word_count || (seen[field.word()] & field.mask()) != 0) {
      return false;
    }
    seen[field.word()] |= field.mask();
  }
  return true;
}

} // namespace sluice::base
