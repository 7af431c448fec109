#pragma once

#include <sluice/arch/attributes.hpp>
#include <sluice/arch/granule.hpp>

#include <cstdint>

namespace sluice::pagetable {

enum class Stage : std::uint8_t { one, two };

// What a table is made for. Whether walks are coherent is a fact of the port's memory.
struct Config {
  Stage stage{Stage::one};
  arch::Granule granule{arch::Granule::k4};
  unsigned input_bits{48};  // of IOVAs, or of IPAs at stage 2: 25 to 48, with 64K pages to 52
  unsigned output_bits{48}; // 32, 36, 40, 42, 44, 48 or 52; 52 counts as 48 but with 64K pages
  bool dirty{};             // writable leaves start as writable-clean and hardware makes them dirty: 3.13
  bool fwb{};               // stage 2: leaves in the form that STE.S2FWB=1 asks for
  bool resizes{};           // blocks and tables take each other's place in use: IDR3.BBML 2 of all that walks it
};

// What a CD or STE says of the table. Fields of the other stage are to be ignored.
struct Fields {
  std::uint64_t TTB{};
  unsigned T0SZ{}; // or S2T0SZ
  std::uint8_t S2SL0{};
  arch::Tg0 TG0{};
  arch::S2Tg S2TG{};
  arch::AddressSize PS{}; // CD.IPS or STE.S2PS
  arch::Cacheability IR{}, OR{};
  arch::Shareability SH{};
  std::uint32_t MAIR0{};
  bool HA{}, HD{};
  bool S2FWB{};
};

} // namespace sluice::pagetable
