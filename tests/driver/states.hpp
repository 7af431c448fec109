#pragma once

#include "fake_function.hpp"
#include "fake_space.hpp"
#include "machine.hpp"

#include <array>
#include <map>
#include <string>

// States of a device with PASIDs, and what can be done to it, as tables that tests go through.
namespace sluice::test {

enum class Where { idle, identity, blocked, stage1, stage2 };
inline const char* name(Where w) {
  constexpr const char* names[] = {"idle", "identity", "blocked", "stage 1", "stage 2"};
  return names[static_cast<int>(w)];
}

// Domains by letters: A is the RID's stage 1, S its stage 2; P, Q and the address space W are of PASIDs, N and V are
// new to the device.
struct DeviceState {
  Where rid{};
  std::map<std::uint32_t, char> pasids{};

  std::string text() const {
    std::string s = std::string{"RID "} + name(rid);
    for (const auto& [pasid, domain] : pasids) {
      s += ", " + std::to_string(pasid) + " " + domain;
    }
    return s;
  }
};

struct Action {
  iommu::Target target;
  char domain{}; // I identity, B blocked, N stage 1, T stage 2, V an address space, A and P as above; 0: detach

  std::string text() const {
    const std::string at = target.is_rid() ? "RID" : std::to_string(target.value());
    return domain != 0 ? at + " to " + domain : at + " detached";
  }
};

// Without PASIDs, with one, with several of which two are in one leaf and one has the RID's domain.
inline std::vector<DeviceState> device_states() {
  std::vector<DeviceState> all;
  for (const Where rid : {Where::idle, Where::identity, Where::blocked, Where::stage1, Where::stage2}) {
    all.push_back({rid, {}});
    if (rid != Where::stage2) {
      all.push_back({rid, {{1, 'P'}}});
      all.push_back({rid, {{1, 'W'}, {2, 'A'}, {200, 'Q'}}});
    }
  }
  return all;
}
inline std::vector<Action> attach_actions() {
  using iommu::Target;
  return {{Target::rid(), 'I'},    {Target::rid(), 'B'},      {Target::rid(), 'N'},     {Target::rid(), 'T'},
          {Target::pasid(1), 'N'}, {Target::pasid(1), 'V'},   {Target::pasid(3), 'V'},  {Target::pasid(1), 'A'},
          {Target::pasid(3), 'N'}, {Target::pasid(200), 'N'}, {Target::pasid(200), 'P'}};
}
inline std::vector<Action> detach_actions() {
  using iommu::Target;
  return {{Target::rid(), 0}, {Target::pasid(1), 0}, {Target::pasid(2), 0}, {Target::pasid(200), 0}};
}

// What the SMMU would make of a request, by what is in memory.
struct Meaning {
  enum class Kind { abort, bypass, stage1, stage2, no_substream, bad };
  Kind kind{};
  std::uint64_t tag{}; // ASID or VMID
  std::uint64_t table{};

  friend bool operator==(const Meaning&, const Meaning&) = default;
};

// A machine whose one device, behind two StreamIDs in two leaves, is in a state.
struct PasidMachine {
  static constexpr unsigned pasid_bits = 9;
  static constexpr StreamID sids[] = {0x10, 0x210};

  enum class With { two_levels, linear, pci };
  static constexpr With kinds[] = {With::two_levels, With::linear, With::pci};
  static const char* name(With kind) {
    constexpr const char* names[] = {"", ", linear", ", with ATS and PRI"};
    return names[static_cast<int>(kind)];
  }

  explicit PasidMachine(const DeviceState& state, With kind = With::two_levels,
                        const hosted::PortConfig& config = small())
      : function{pasid_bits, true, 40}, m{config} {
    const bool pci = kind == With::pci;
    m.fake.id(m.fake.get<arch::IDR0>().with(arch::IDR0::ATS, pci).with(arch::IDR0::PRI, pci));
    give_substreams(m.fake);
    m.fake.id(m.fake.get<arch::IDR1>().with(arch::IDR1::PRIQS, 5));
    auto wish = Machine::quick();
    wish.timeout_us = 50; // there is one thread: the fake has answered before it is asked, or never does
    wish.linear_cd_tables = kind == With::linear;
    EXPECT_TRUE(m.start(wish));
    auto added = m.smmu->add(pci ? &function : nullptr, sids, {.pasid_bits = pasid_bits});
    EXPECT_TRUE(added.ok());
    m.devices.insert(*added);
    device = static_cast<driver::SmmuDevice*>(*added);
    for (const char c : {'A', 'P', 'Q', 'N'}) {
      domains[c] = &paging(iommu::Stage::first, pci && c != 'Q');
    }
    domains['S'] = &paging(iommu::Stage::second, false);
    domains['T'] = &paging(iommu::Stage::second, pci);
    function.on_ats = [this](bool) { EXPECT_FALSE(function.pri()) << "it asks for pages only with ATS"; };
    function.on_pri = [this](bool on) { EXPECT_TRUE(!on || function.ats()); };
    for (auto& [c, space] : spaces) {
      auto made = m.smmu->make_sva(space);
      EXPECT_TRUE(made.ok());
      m.domains.insert(*made);
      domains[c] = *made;
    }
    domains['I'] = &m.smmu->identity();
    domains['B'] = &m.smmu->blocked();
    constexpr char of_rid[] = {0, 'I', 'B', 'A', 'S'};
    if (const char c = of_rid[static_cast<int>(state.rid)]; c != 0) {
      EXPECT_TRUE(device->attach(*domains[c]).ok());
    }
    for (const auto& [pasid, c] : state.pasids) {
      EXPECT_TRUE(device->attach(*domains[c], iommu::Target::pasid(pasid)).ok());
    }
  }
  iommu::Domain& paging(iommu::Stage stage, bool serves) {
    auto made = m.try_paging({.stage = stage, .page_requests = serves});
    EXPECT_TRUE(made.ok());
    return **made;
  }
  static hosted::PortConfig small() { return {.arena = {.size = 8 << 20}}; }
  static void give_substreams(FakeSmmu& fake, unsigned bits = 20) {
    fake.id(fake.get<arch::IDR0>().with(arch::IDR0::CD2L, 1));
    fake.id(fake.get<arch::IDR1>().with(arch::IDR1::SSIDSIZE, bits));
  }

  base::Result<iommu::Change> run(const Action& action, const iommu::Options& options = {}) {
    if (action.domain == 0) {
      return device->detach(action.target);
    }
    auto& domain = *domains[action.domain];
    return device->attached(action.target) == nullptr ? device->attach(domain, action.target, options)
                                                      : device->replace(domain, action.target, options);
  }

  // 3.9, 5.2: of a request with or without SubstreamID.
  Meaning meaning(StreamID sid, std::optional<std::uint32_t> ssid) {
    using namespace arch;
    using Kind = Meaning::Kind;
    const Ste ste = *m.ste(sid);
    const SteConfig config = ste.get(Ste::Config);
    if (ste.get(Ste::V) == 0) {
      return {Kind::bad};
    }
    if (config == SteConfig::abort) {
      return {Kind::abort};
    }
    if (config == SteConfig::bypass || config == SteConfig::stage2) {
      if (ssid) {
        return {Kind::no_substream};
      }
      return config == SteConfig::bypass ? Meaning{Kind::bypass}
                                         : Meaning{Kind::stage2, ste.get(Ste::S2VMID), ste.get(Ste::S2TTB)};
    }
    const bool substreams = ste.get(Ste::S1CDMax) != 0;
    if (ssid && !substreams) {
      return {Kind::no_substream};
    }
    if (!ssid && substreams && ste.get(Ste::S1DSS) != S1Dss::cd0) {
      return {ste.get(Ste::S1DSS) == S1Dss::bypass ? Kind::bypass : Kind::abort};
    }
    const auto cd = m.cd(sid, ssid.value_or(0));
    if (!cd || cd->get(Cd::V) == 0) {
      return {ssid ? Kind::no_substream : Kind::bad};
    }
    return {Kind::stage1, cd->get(Cd::ASID), cd->get(Cd::TTB0)};
  }
  // Of both StreamIDs: without PASID, and with those of the tables above. What is not served at all counts as one.
  std::vector<Meaning> meanings() {
    std::vector<Meaning> all;
    for (const StreamID sid : sids) {
      for (const auto& ssid : requests) {
        Meaning what = meaning(sid, ssid);
        if (what.kind == Meaning::Kind::no_substream) {
          what.kind = Meaning::Kind::abort;
        }
        all.push_back(what);
      }
    }
    return all;
  }
  static constexpr std::optional<std::uint32_t> requests[] = {std::nullopt, 1, 2, 3, 64, 200, 511};

  // All words that the SMMU can reach from the STEs of the device's leaves.
  std::vector<std::uint64_t> words() {
    using namespace arch;
    std::vector<std::uint64_t> all;
    for (const StreamID sid : sids) {
      const std::uint64_t l1 = m.fake.get<STRTAB_BASE>().get(STRTAB_BASE::ADDR) + 8 * (sid >> 8);
      const L1Std leaf = m.words<L1Std>(l1);
      add(all, l1, sizeof leaf);
      add(all, leaf.get(L1Std::L2Ptr), 256 * Ste::byte_size);
      if (const auto s = m.ste(sid); s && translates_stage1(s->get(Ste::Config))) {
        add_cds(all, *s);
      }
    }
    return all;
  }
  void add_cds(std::vector<std::uint64_t>& all, const arch::Ste& ste) {
    using namespace arch;
    const std::uint64_t table = ste.get(Ste::S1ContextPtr);
    const auto bits = static_cast<unsigned>(ste.get(Ste::S1CDMax));
    const unsigned split = bits != 0 ? cd_split(ste.get(Ste::S1Fmt)) : 0;
    if (split == 0) {
      return add(all, table, std::uint64_t{Cd::byte_size} << bits);
    }
    for (std::uint64_t at = table; at < table + (L1Cd::byte_size << (bits - split)); at += L1Cd::byte_size) {
      const L1Cd l1 = m.words<L1Cd>(at);
      add(all, at, L1Cd::byte_size);
      if (l1.get(L1Cd::V) == 1) {
        add(all, l1.get(L1Cd::L2Ptr), std::uint64_t{Cd::byte_size} << split);
      }
    }
  }
  void add(std::vector<std::uint64_t>& all, std::uint64_t bus, std::uint64_t bytes) {
    const auto at = m.port.arena.at(bus, bytes);
    ASSERT_TRUE(at.has_value());
    const auto* from = static_cast<const std::uint64_t*>(*at);
    all.insert(all.end(), from, from + bytes / 8);
  }
  std::uint64_t users() const {
    std::uint64_t all = 0;
    for (const auto& [c, domain] : domains) {
      all = all * 16 + domain->users();
    }
    return all;
  }

  FakeFunction function;
  std::map<char, FakeSpace> spaces{{'V', {}}, {'W', {}}};
  Machine m;
  driver::SmmuDevice* device{};
  std::map<char, iommu::Domain*> domains;
};

} // namespace sluice::test
