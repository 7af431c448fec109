#include "program.hpp"

#include <sluice/arch/commands.hpp>

#include <algorithm>

// A change of one word on the way of the latest transaction, with the smallest invalidation that it takes (4.3, 4.4).
namespace sluice::fuzz {

using namespace arch;
using reference::below;
using reference::Word;
using reference::World;

void Program::change_with_invalidation() {
  if (!fresh_ || !latest_ || answer_.reads.empty()) {
    return;
  }
  const reference::Read changed = answer_.reads[input_.below(answer_.reads.size())];
  std::vector<std::uint64_t> ipas;
  bool of_cd = false;
  for (const reference::Read& read : answer_.reads) {
    if (read.at == changed.at && read.what != changed.what) {
      return; // a word with two meanings takes two invalidations
    }
    if (read.at == changed.at) {
      ipas.push_back(read.input);
      of_cd = of_cd || read.why == EventClass::cd;
    }
  }
  machine_.image->spoil(input_, changed.at);
  const std::uint64_t word = machine_.memory.get(changed.at);
  const bool leaf = changed.leaf && ((word & 1) == 0 || changed.level == 3 || (word & 2) == 0);
  invalidate(changed, ipas, of_cd, leaf);
  if (changed.what != Word::stage1 && changed.what != Word::stage2) {
    cached_.clear();
  }
  const model::Request again = *latest_;
  static_cast<void>(check(again));
  fresh_ = false;
}

void Program::invalidate(const reference::Read& changed, const std::vector<std::uint64_t>& ipas, bool of_cd,
                         bool leaf) {
  const std::uint64_t choice = input_.bytes(1);
  const std::uint32_t stream = latest_->stream_id;
  const std::uint32_t index = latest_->substream_id.value_or(0);
  const auto everything = [&] {
    machine_.run({cmd::tlbi_nsnh_all()});
    if ((machine_.read(IDR0::offset) & IDR0::Hyp.mask) != 0) {
      machine_.run({cmd::tlbi_el2_all()});
    }
  };
  const bool has_stage2 = (machine_.read(IDR0::offset) & IDR0::S2P.mask) != 0;
  const std::uint16_t vmid = has_stage2 ? answer_.tags.vmid : std::uint16_t{0};
  // 4.4: an address with its sign, whatever TBI lets it carry.
  const auto va = static_cast<std::uint64_t>(static_cast<std::int64_t>(changed.input << 8) >> 8);
  switch (changed.what) {
  case Word::l1std:
    machine_.run({(choice & 1) != 0 ? cmd::cfgi_ste(stream, false) : cmd::cfgi_ste_range(stream, choice >> 1 & 15)});
    everything();
    return;
  case Word::ste:
    machine_.run(
        {(choice & 1) != 0 ? cmd::cfgi_ste(stream, (choice & 2) != 0) : cmd::cfgi_ste_range(stream, choice >> 2 & 15)});
    everything();
    return;
  case Word::l1cd:
    machine_.run({(choice & 1) != 0 ? cmd::cfgi_cd(stream, index, false) : cmd::cfgi_cd_all(stream)});
    everything();
    return;
  case Word::cd:
    machine_.run({(choice & 3) == 0   ? cmd::cfgi_cd_all(stream)
                  : (choice & 3) == 1 ? cmd::cfgi_ste(stream, true)
                                      : cmd::cfgi_cd(stream, index, (choice & 4) != 0)});
    everything();
    return;
  case Word::stage1:
    if (answer_.tags.world != World::el1) {
      machine_.run({(choice & 3) == 0   ? cmd::tlbi_el2_all()
                    : (choice & 3) == 1 ? cmd::tlbi_el2_vaa(va, leaf)
                                        : cmd::tlbi_el2_va(answer_.tags.asid, va, leaf)});
      return;
    }
    machine_.run({(choice & 7) == 0                 ? cmd::tlbi_nh_all(vmid)
                  : (choice & 7) == 1 && has_stage2 ? cmd::tlbi_s12_vmall(vmid)
                  : (choice & 7) <= 3               ? cmd::tlbi_nh_vaa(vmid, va, leaf)
                                                    : cmd::tlbi_nh_va(vmid, answer_.tags.asid, va, leaf)});
    return;
  case Word::stage2:
    if (of_cd) {
      machine_.run({cmd::cfgi_cd_all(stream)});
    }
    if ((choice & 3) == 0) {
      machine_.run({cmd::tlbi_s12_vmall(vmid)});
      return;
    }
    for (const std::uint64_t ipa : ipas) {
      machine_.run({cmd::tlbi_s2_ipa(vmid, ipa, leaf)});
    }
    if (answer_.tags.stage1) {
      machine_.run(
          {(choice & 4) != 0
               ? cmd::tlbi_nh_all(vmid)
               : cmd::tlbi_nh_vaa(
                     vmid, static_cast<std::uint64_t>(static_cast<std::int64_t>(latest_->address << 8) >> 8), false)});
    }
    return;
  }
}

} // namespace sluice::fuzz
