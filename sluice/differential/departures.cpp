#include <sluice/differential/departures.hpp>

#include <sluice/differential/quirks.hpp>

#include <algorithm>
#include <array>

namespace sluice::differential {

namespace {

constexpr unsigned v7 = static_cast<unsigned>(Version::qemu7);
constexpr unsigned v11 = static_cast<unsigned>(Version::qemu11);
constexpr unsigned both = v7 | v11;
using Kind = Departure::Kind;

bool s2aa64(Situation& s) {
  const arch::Ste ste = s.c.ste();
  return ste.get(arch::Ste::V) != 0 && arch::translates_stage2(ste.get(arch::Ste::Config)) &&
         ste.get(arch::Ste::S2AA64) == 0;
}
bool ips(Situation& s) {
  const arch::Ste ste = s.c.ste();
  const arch::Cd cd = s.c.cd();
  return s.c.cd_at != 0 && ste.get(arch::Ste::V) != 0 && arch::translates_stage1(ste.get(arch::Ste::Config)) &&
         cd.get(arch::Cd::V) != 0 && cd.get(arch::Cd::IPS) > arch::AddressSize::bits48;
}

// In QEMU's order where one hides another.
constexpr std::array all{
    Departure{"far-iova", "3.4", "", "", v7, Kind::outcome, quirk::far_iova},
    Departure{"bypass-range", "3.4", "", "", both, Kind::outcome, quirk::bypass_range},
    Departure{"span-doubled", "5.1", "", "", both, Kind::outcome, quirk::span_doubled},
    Departure{"span-beyond", "5.1", "", "", both, Kind::outcome, quirk::span_beyond},
    Departure{"second-level-pointer", "5.1", "", "", both, Kind::outcome, quirk::second_level_pointer},
    Departure{"s2t0sz-by-s2ps", "5.2", "", "", v11, Kind::outcome, quirk::s2t0sz_by_s2ps},
    Departure{"s2-httu", "5.2.2", "", "", v11, Kind::outcome, quirk::s2_httu},
    Departure{"start-level", "5.2", "", "", v11, Kind::outcome, quirk::start_level},
    Departure{"s1stalld", "5.2.2", "", "", v11, Kind::outcome, quirk::s1stalld},
    Departure{"s1cdmax", "5.2", "", "", both, Kind::outcome, quirk::s1cdmax},
    Departure{"context-pointer-48", "5.2", "", "", v7, Kind::outcome, quirk::context_pointer_48},
    Departure{"context-pointer-range", "5.2.2", "", "", both, Kind::outcome, quirk::context_pointer_range},
    Departure{"stage1-range", "3.4", "", "", v11, Kind::outcome, quirk::stage1_range},
    Departure{"concatenation", "", "", "", v11, Kind::outcome, quirk::concatenation},
    Departure{"s2ptw", "", "", "", v11, Kind::outcome, quirk::s2ptw},
    Departure{"ttb-bit-51", "", "", "", both, Kind::outcome, quirk::ttb_bit_51},
    Departure{"tbi1", "5.4", "", "", v11, Kind::outcome, quirk::tbi1},
    Departure{"stage2-tables", "", "", "", v11, Kind::outcome, quirk::stage2_tables},
    Departure{"stage2-block-level", "", "", "", v11, Kind::outcome, quirk::stage2_block_level},
    Departure{"both-ttbs", "", "", "", v11, Kind::outcome, quirk::both_ttbs},
    Departure{"table-permission", "7.3.22", "", "", both, Kind::outcome, quirk::table_permission},
    Departure{"table-base", "", "", "", v11, Kind::outcome, quirk::table_base},
    Departure{"access-flag", "", "", "", v7, Kind::outcome, quirk::access_flag},
    Departure{"unprivileged", "", "", "", both, Kind::outcome, quirk::unprivileged},
    Departure{"block-level", "", "", "", both, Kind::outcome, quirk::block_level},
    Departure{"table-range", "", "", "", both, Kind::outcome, quirk::table_range},
    Departure{"leaf-range", "", "", "", v7, Kind::outcome, quirk::leaf_range},
    Departure{"leaf-order", "7.3.22", "", "", v11, Kind::outcome, quirk::leaf_order},
    Departure{"cd-fetch-address", "7.3.10", "", "", both, Kind::record, quirk::cd_fetch_address},
    Departure{"no-class", "7.3.13", "", "", v7, Kind::record, quirk::no_class},
    Departure{"ipa-offset", "7.3.13", "", "", v11, Kind::record, quirk::ipa_offset},
    Departure{"rnw-of-fetch", "7.3.13", "", "", v11, Kind::record, quirk::rnw_of_fetch},
    Departure{"s2aa64", "5.2.2", "", "", v11, Kind::fatal, s2aa64},
    Departure{"ips", "5.4", "", "", v11, Kind::fatal, ips},
};

} // namespace

std::span<const Departure> departures() { return all; }

const Departure* fatal(Version version, const Case& c) {
  for (const Departure& d : all) {
    // These look at the case alone.
    static const Ram no_ram{nullptr};
    static const model::Features no_features{};
    Situation s{c, no_ram, no_features, version, *static_cast<Ours*>(nullptr)};
    if (d.kind == Kind::fatal && (d.versions & static_cast<unsigned>(version)) != 0 && d.apply(s)) {
      return &d;
    }
  }
  return nullptr;
}

Prediction predict(Ours& ours, Version version, const model::Features& features, const Ram& ram, const Case& c,
                   const Answer& answer) {
  Situation s{c, ram, features, version, ours};
  s.answer = answer;
  Prediction p;
  const auto step = [&](Kind kind) {
    const auto applies = [&](const Departure& d) {
      return d.kind == kind && (d.versions & static_cast<unsigned>(version)) != 0 &&
             std::find(p.used.begin(), p.used.end(), &d) == p.used.end() && d.apply(s);
    };
    const auto next = std::find_if(all.begin(), all.end(), applies);
    if (next == all.end()) {
      return false;
    }
    p.used.push_back(&*next);
    return true;
  };
  // In their order, anew after each that applies; each once.
  while (!s.instead && step(Kind::outcome)) {
    if (!s.instead) {
      s.answer = ours.run(c, s.overlay);
    }
  }
  while (step(Kind::record)) {
  }
  p.seen = s.expected();
  p.unknowable = s.unknowable || (!s.instead && s.answer.strayed);
  return p;
}

} // namespace sluice::differential
