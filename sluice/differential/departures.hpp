#pragma once

#include <sluice/differential/ours.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace sluice::differential {

// Which QEMU: 7.2, with stage 1, or 11, with both stages.
enum class Version : std::uint8_t { qemu7 = 1, qemu11 = 2 };

// A case on its way from what the model makes of it to what QEMU is expected to make of it.
struct Situation {
  const Case& c;
  const Ram& ram;
  const model::Features& features;
  const Version version;
  Ours& ours;
  std::uint64_t ste_at{c.ste_at}; // where the model finds the STE
  Overlay overlay{};              // what QEMU takes for what is in memory
  Answer answer{};                // the model's to that
  std::optional<Seen> instead{};  // what QEMU shows, where it is not what the model does
  bool unknowable{};              // it leads QEMU to what is no memory

  std::uint64_t word(std::uint64_t at) const {
    const auto changed = overlay.find(at);
    return changed != overlay.end() ? changed->second : area::is_ram(at) ? ram.get(at) : 0;
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
  void pretend(std::uint64_t at, const S& s) {
    for (std::size_t i = 0; i < S::word_count; ++i) {
      overlay[at + 8 * i] = s.w[i];
    }
  }
  const Seen& expected() const { return instead ? *instead : answer.seen; }
};

// Something that QEMU does otherwise than the architecture says, as narrow as it can be said.
struct Departure {
  std::string_view name;
  std::string_view section;
  std::string_view rule; // what the architecture says
  std::string_view qemu; // what QEMU does
  unsigned versions;     // bits of Version
  enum class Kind : std::uint8_t {
    outcome, // another memory for the model, or another outcome
    record,  // another event record of the same outcome
    fatal,   // QEMU ends itself
  } kind;
  // True if it is about this situation, which then is as QEMU has it. Not of fatal ones.
  bool (*apply)(Situation&);
  // Of fatal ones, from the case alone; true also for some that QEMU would have ended otherwise before.
  bool (*ends)(const Case&){nullptr};

  bool concerns(Version version) const { return (versions & static_cast<unsigned>(version)) != 0; }
};
std::span<const Departure> departures();

// The departure by which a QEMU of this version ends itself over a case, or null.
const Departure* fatal(Version version, const Case& c);

struct Prediction {
  Seen seen;
  bool unknowable{};
  std::vector<const Departure*> used;
};
// What a QEMU of this version makes of a case of which the model has made `answer`, reading `overlay`.
Prediction predict(Ours& ours, Version version, const model::Features& features, const Ram& ram, const Case& c,
                   const Answer& answer, const Overlay& overlay = {});

} // namespace sluice::differential
