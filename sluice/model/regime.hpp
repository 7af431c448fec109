#pragma once

#include <sluice/arch/cd.hpp>
#include <sluice/arch/event.hpp>
#include <sluice/arch/geometry.hpp>
#include <sluice/arch/ste.hpp>
#include <sluice/model/facts.hpp>
#include <sluice/model/memory_types.hpp>
#include <sluice/model/places.hpp>
#include <sluice/model/port.hpp>
#include <sluice/model/validity.hpp>
#include <sluice/model/world.hpp>

#include <cstdint>
#include <optional>

namespace sluice::model {

// Why a transaction is not served, as far as the check that failed knows it.
struct Fault {
  std::optional<arch::EventType> event{};
  Place place{};
  bool record{true}; // 5.5 R, S2R; 6.3.12 RECINVSID
  bool stall{};      // 5.5 S, S2S
  Outcome::Kind outcome{Outcome::Kind::aborted};
  bool stage2{};
  bool ttd_write{}; // 7.3.16 TTRnW is 0: the update of a descriptor
  arch::EventClass event_class{arch::EventClass::in};
  std::uint64_t ipa{};
  std::uint64_t fetch{};
  BadSte bad_ste{}; // of C_BAD_STE
  BadCd bad_cd{};   // of C_BAD_CD

  static Fault of(Place place) {
    Fault f;
    f.event = place.event;
    f.place = place;
    return f;
  }
};

// How one table tree is walked, with what each step needs worked out.
struct TreeShape {
  arch::Granule granule{};
  arch::AddressBits address_bits{};
  int start{};
  unsigned input_bits{};
  unsigned page_shift{};
  unsigned stride{};
  std::uint64_t input_mask{};
  std::uint64_t output_mask{}; // of IPS or S2PS, capped to OAS
  std::uint64_t table{};
  MemoryType type{}; // of descriptor fetches
  Attributes fetch{};

  unsigned shift(int level) const { return page_shift + stride * static_cast<unsigned>(arch::last_level - level); }
  // Of the descriptor for an input within range.
  std::uint64_t offset(int level, std::uint64_t input) const {
    const std::uint64_t index = input >> shift(level);
    return 8 * (level == start ? index : index & mask_below(stride));
  }
};

// TTB0's or TTB1's half of a stage 1 input range
struct Half {
  bool disabled{}; // EPDx
  bool ignore_top{};
  bool ignore_hierarchy{}; // HADx
  bool privileged_only{};  // E0PDx
  TreeShape tree{};
};

struct Stage1 {
  World world{};
  Half half[2]{};
  std::uint64_t mair{};
  bool affd{}, wxn{}, pan{};
  bool access_flag{}, dirty{};     // 3.13 HA, and HD with it
  bool abort{}, record{}, stall{}; // 5.5 A, R, S
};

struct Stage2 {
  TreeShape tree{};
  bool affd{}, ptw{}, fwb{};
  bool access_flag{}, dirty{}; // S2HA, and S2HD with it
  bool ptwnnc{};               // IDR3.PTWNNC
  bool record{}, stall{};      // S2R, S2S
};

// 5.2 PRIVCFG, INSTCFG
struct RightsOverride {
  arch::PrivilegeOverride privilege{};
  arch::InstructionOverride instruction{};

  bool privileged(const Request& r) const {
    return privilege == arch::PrivilegeOverride::privileged ||
           (privilege != arch::PrivilegeOverride::unprivileged && r.privileged);
  }
  bool is_instruction(const Request& r) const { // reads only
    return !r.write && (instruction == arch::InstructionOverride::instruction ||
                        (instruction != arch::InstructionOverride::data && r.instruction));
  }
};

// All that STE and CD say about a {StreamID, SubstreamID}.
struct Regime {
  bool stage1{}, stage2{};
  bool merge{};             // MEV
  unsigned input_limit{64}; // 3.4: bits of an address that stage 1 bypass takes
  Stage1 s1{};
  Stage2 s2{};
  MemoryType incoming{}; // after overrides; what stage 2 or bypass starts from
  RightsOverride rights{};
  std::uint32_t context{};        // of translations: by ASID, or by IPA
  std::uint32_t global_context{}; // of stage 1 translations with nG = 0
  std::uint32_t ipa_context{};    // of stage 2
};

// 5.2, 5.4: from legal structures.
Stage1 stage1_of(const arch::Cd& cd, World world, const Facts& facts);
Stage2 stage2_of(const arch::Ste& ste, const Facts& facts);
MemoryType incoming_of(const arch::Ste& ste, const Facts& facts);
RightsOverride rights_of(const arch::Ste& ste, const Facts& facts);
MemoryType incoming_of(const arch::GBPA& gbpa, const Facts& facts);
RightsOverride rights_of(const arch::GBPA& gbpa, const Facts& facts);

} // namespace sluice::model
