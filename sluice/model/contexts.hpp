#pragma once

#include <sluice/model/world.hpp>

#include <cstdint>
#include <vector>

namespace sluice::model {

// 3.17: what a cached translation is tagged with besides its address. StreamIDs are not among it.
struct Context {
  enum class Kind : std::uint8_t {
    va,        // of one ASID
    va_global, // nG = 0: of an ASET
    ipa,       // stage 2 only
  };
  Kind kind{};
  World world{};
  bool aset{};          // of stage 1
  std::uint16_t vmid{}; // of NS-EL1, when stage 2 exists
  std::uint16_t asid{}; // of a translation that is not global, unless the world is NS-EL2

  friend bool operator==(const Context&, const Context&) = default;
};

// A port's short names for contexts. Forgetting a name invalidates all that is tagged with it.
class Contexts {
public:
  static constexpr std::uint32_t names = 1U << 20;
  static constexpr std::size_t most = 256;

  // Room for `n` new names; without it the caller drops all that it has cached and clears this.
  bool room(std::size_t n) const { return live_.size() + n <= most && next_ + n < names; }
  // Never 0.
  std::uint32_t name(const Context& context) {
    for (const auto& n : live_) {
      if (n.context == context) {
        return n.name;
      }
    }
    live_.push_back({context, next_});
    return next_++;
  }

  template <class Matches>
  bool forget(Matches matches) {
    return std::erase_if(live_, [&](const Named& n) { return matches(n.context); }) != 0;
  }
  template <class Do>
  void each(Do action) const {
    for (const auto& n : live_) {
      action(n.context, n.name);
    }
  }
  void clear() {
    live_.clear();
    next_ = 1;
  }

private:
  struct Named {
    Context context;
    std::uint32_t name;
  };
  std::vector<Named> live_;
  std::uint32_t next_{1};
};

} // namespace sluice::model
