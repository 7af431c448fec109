#pragma once

#include <sluice/arch/cd.hpp>
#include <sluice/arch/event.hpp>
#include <sluice/arch/granule.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/arch/ste.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace sluice::differential {

// What a case was made for.
enum class Mode : std::uint8_t { bypass, stage1, stage2, nested };
inline constexpr std::size_t modes = 4;
constexpr std::string_view name(Mode mode) {
  constexpr std::string_view names[] = {"bypass", "stage 1", "stage 2", "nested"};
  return names[static_cast<std::size_t>(mode)];
}

// One walk through a tree: its descriptors' addresses from the first level to the leaf, all PAs.
struct Path {
  std::vector<std::uint64_t> descriptors;
  int start{};
  arch::Granule granule{};

  bool empty() const { return descriptors.empty(); }
  std::uint64_t leaf() const { return descriptors.back(); }
};

// One transaction of 4 bytes, and all that an SMMU needs to know for it.
struct Case {
  std::uint64_t number{};
  Mode mode{};
  std::string_view flaw{}; // what is wrong with it, on purpose or by chance; empty: nothing

  arch::STRTAB_BASE base{};
  arch::STRTAB_BASE_CFG cfg{};
  std::map<std::uint64_t, std::uint64_t> memory; // 64-bit words by PA; all else is 0, but for the targets
  std::uint32_t stream_id{};
  std::uint64_t iova{};
  bool write{};

  std::uint64_t target{};   // where it leads if nothing is wrong, a PA
  std::uint64_t l1std_at{}; // 0: the stream table is linear
  std::uint64_t ste_at{};
  std::uint64_t cd_at{};           // 0: there is none
  std::uint64_t delta{};           // nested: IPA - PA of the window
  Path path1, path2;               // of the IOVA; of the last address that goes through stage 2
  std::vector<std::uint64_t> own2; // stage 2 leaves of the CD and of stage 1 descriptors

  std::uint64_t word(std::uint64_t at) const {
    const auto found = memory.find(at);
    return found == memory.end() ? 0 : found->second;
  }
  template <class S>
  S structure(std::uint64_t at) const {
    S s;
    for (std::size_t i = 0; i < S::word_count; ++i) {
      s.w[i] = word(at + 8 * i);
    }
    return s;
  }
  template <class S>
  void put(std::uint64_t at, const S& s) {
    for (std::size_t i = 0; i < S::word_count; ++i) {
      memory[at + 8 * i] = s.w[i];
    }
  }
  arch::Ste ste() const { return structure<arch::Ste>(ste_at); }
  arch::Cd cd() const { return structure<arch::Cd>(cd_at); }
};

// What could be seen of it from outside.
struct Seen {
  std::optional<std::uint64_t> landed; // where a write arrived in RAM
  std::uint32_t value{};               // what a read gave; 0 when it was refused, or where nothing answers
  std::vector<arch::Event> events;

  friend bool operator==(const Seen&, const Seen&) = default;
};

// What each write writes; no other word is so.
inline constexpr std::uint32_t marker = 0xa5c3'f00d;

} // namespace sluice::differential
