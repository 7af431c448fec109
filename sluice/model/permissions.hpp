#pragma once

#include <sluice/arch/descriptors.hpp>
#include <sluice/model/regime.hpp>
#include <sluice/model/tlb.hpp>

#include <cstdint>

// The direct permission scheme of both stages, as rights:: bits. 13.4, DDI 0487 D8.4
namespace sluice::model {

// What table descriptors on the way take away (D8.4.1.5): APTable [1:0], UXNTable or XNTable [2], PXNTable [3].
namespace hierarchy {
inline constexpr unsigned no_unprivileged = 1, no_write = 2, no_execute = 4, no_privileged_execute = 8;
constexpr unsigned of(const arch::S1Table& d) {
  return static_cast<unsigned>(d.get(arch::S1Table::APTable)) |
         static_cast<unsigned>(d.get(arch::S1Table::UXNTable)) << 2 |
         static_cast<unsigned>(d.get(arch::S1Table::PXNTable)) << 3;
}
} // namespace hierarchy

namespace detail {
constexpr std::uint64_t rights_of(bool read, bool write, bool execute) {
  return std::uint64_t{read} << rights::read | std::uint64_t{write} << rights::write |
         std::uint64_t{execute} << rights::execute;
}
} // namespace detail

// D8.4.1.2
constexpr std::uint64_t stage1_rights(const arch::S1Leaf& d, unsigned taken, const Stage1& s1) {
  using arch::S1Leaf;
  const bool write = !arch::read_only(d.get(S1Leaf::AP)) && (taken & hierarchy::no_write) == 0;
  const bool xn = d.get(S1Leaf::UXN) != 0 || (taken & hierarchy::no_execute) != 0;
  if (!two_halves(s1.world)) { // AP[1] counts as 1, one privilege level, XN only
    const std::uint64_t both = detail::rights_of(true, write, !xn && !(s1.wxn && write));
    return both | both << rights::privileged;
  }
  const bool user = arch::unprivileged(d.get(S1Leaf::AP)) && (taken & hierarchy::no_unprivileged) == 0;
  const bool user_write = user && write;
  const bool pxn = d.get(S1Leaf::PXN) != 0 || (taken & hierarchy::no_privileged_execute) != 0;
  const bool user_execute = !xn && !(s1.wxn && user_write);
  // A page that is writable without privilege is never executed with it.
  const bool privileged_execute = !pxn && !user_write && !(s1.wxn && write);
  const bool privileged_data = !(s1.pan && user); // 5.4 PAN
  return detail::rights_of(user, user_write, user_execute) |
         detail::rights_of(privileged_data, privileged_data && write, privileged_execute) << rights::privileged;
}

// D8.4.2.1
constexpr std::uint64_t stage2_rights(const arch::S2Leaf& d, bool xnx) {
  using arch::S2Leaf;
  const auto ap = static_cast<unsigned>(d.get(S2Leaf::S2AP));
  bool user = d.get(S2Leaf::XN1) == 0;
  bool privileged = user;
  if (xnx) {
    const auto xn = d.get(S2Leaf::XN);
    user = xn == arch::S2Xn::execute || xn == arch::S2Xn::no_privileged_execute;
    privileged = xn == arch::S2Xn::execute || xn == arch::S2Xn::no_unprivileged_execute;
  }
  return detail::rights_of((ap & 1) != 0, (ap & 2) != 0, user) |
         detail::rights_of((ap & 1) != 0, (ap & 2) != 0, privileged) << rights::privileged;
}

} // namespace sluice::model
