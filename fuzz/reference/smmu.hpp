#pragma once

#include <sluice/arch/cd.hpp>
#include <sluice/arch/event.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/arch/ste.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

// What an SMMUv3 answers to a transaction, once more from the manual: plain functions from memory and registers to the
// answer, nothing cached, nothing shared with the model but arch and base.
namespace sluice::fuzz::reference {

// 3.21.3: what the SMMU finds in a word; no value for an external abort.
class Memory {
public:
  virtual std::optional<std::uint64_t> word(std::uint64_t address) const = 0;

protected:
  ~Memory() = default;
};

// As they are in effect, and what the architecture leaves open.
struct Registers {
  arch::IDR0 idr0{};
  arch::IDR1 idr1{};
  arch::IDR3 idr3{};
  arch::IDR5 idr5{};
  arch::AIDR aidr{};
  arch::CR0 cr0{};
  arch::CR1 cr1{};
  arch::CR2 cr2{};
  arch::STRTAB_BASE base{};
  arch::STRTAB_BASE_CFG cfg{};
  arch::GBPA gbpa{};
  bool reserved_bits_illegal{true}; // 5: of STE and CD
};

struct Access {
  std::uint32_t stream{};
  std::optional<std::uint32_t> substream{};
  std::uint64_t address{};
  bool write{}, instruction{}, privileged{};
};

// 13: a MAIR attribute byte and the rest, resolved.
struct Attributes {
  std::uint8_t mair{};
  arch::Shareability sh{};
  bool instruction{}, privileged{};

  friend bool operator==(const Attributes&, const Attributes&) = default;
};

enum class Word : std::uint8_t { l1std, ste, l1cd, cd, stage1, stage2 };

// A word that was read on the way.
struct Read {
  Word what{};
  std::uint64_t at{};
  std::uint64_t input{}; // of a descriptor: the VA or IPA that was looked up
  int level{};
  bool leaf{};
  arch::EventClass why{arch::EventClass::in}; // of a stage 2 descriptor
  Attributes attributes{};                    // 13.8
};

// 3.3.3 StreamWorld
enum class World : std::uint8_t { el1, el2, el2_e2h };

enum class Response : std::uint8_t { served, aborted, zeroed, stalled };

// 3.17: what a translation is tagged with, and what TLBs may hold of the structures on its way (5.2.1, 5.4.1).
struct Tags {
  World world{};
  bool stage1{}, stage2{};
  std::uint16_t vmid{}, asid{};
  bool aset{};
  bool global{};                      // of any ASID
  std::array<std::uint64_t, 3> ste{}; // words 1 to 3, with stage 2
  std::array<std::uint64_t, 8> cd{};  // with stage 1

  friend bool operator==(const Tags&, const Tags&) = default;
};

// What becomes of a transaction, and what is said of it.
struct End {
  Response response{Response::served};
  std::optional<arch::EventType> cause{}; // what is wrong, recorded or not
  std::optional<arch::Event> event{};     // as it is recorded, without STAG
};

struct Answer : End {
  bool may_be_illegal{}; // 5: a reserved field is set, and an implementation chooses; what follows is if it is ignored
  std::optional<End> instead{}; // how it may as well end
  std::uint64_t pa{};
  Attributes attributes{};                       // 13.5
  std::vector<Read> reads{};                     // in their order
  std::map<std::uint64_t, std::uint64_t> writes; // 3.13: descriptors after their update
  Tags tags{};
  arch::Eats eats{}; // as it is in the STE
};

Answer translate(const Registers& registers, const Memory& memory, const Access& access);

// 3.17: whether a look-up for `b` may find what `a` has left in a TLB though the structures on its way differ, which
// software has to see to.
bool clash(const Tags& a, const Tags& b);
// Of all transactions of a stream that translate, whatever their address; no value where there are too many.
std::optional<std::vector<Tags>> tags_of(const Registers& registers, const Memory& memory, std::uint32_t stream);

} // namespace sluice::fuzz::reference
