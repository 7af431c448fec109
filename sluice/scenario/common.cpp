#include <sluice/scenario/common.hpp>

#include <sluice/machine/copy.hpp>
#include <sluice/scenario/stamp.hpp>

#include <fmt/format.h>

#include <array>
#include <cstring>

namespace sluice::scenario {

namespace {

std::string strange_page(const std::byte* ram, std::uint32_t owner, std::uint64_t iova, std::uint64_t checked) {
  std::array<std::byte, cell_page> now;
  machine::copy_out(ram, now.data(), cell_page);
  return stamped(now.data(), owner, iova, checked)
             ? std::string{}
             : fmt::format("something wrote to owner {}'s page at {:#x}", owner, iova);
}

} // namespace

void fill(const platform::DmaBlock& block, std::uint32_t owner, std::uint64_t iova, std::uint64_t size) {
  auto* const ram = block.as<std::byte>();
  stamp(ram, owner, iova, cell_page);
  const std::uint64_t nobody = 0;
  machine::copy_in(ram + mailbox, &nobody, sizeof nobody);
  if (size > cell_page) {
    stamp(ram + size - cell_page, owner, iova + size - cell_page, cell_page);
  }
}

std::string strange(const platform::DmaBlock& block, std::uint32_t owner, std::uint64_t iova, std::uint64_t size,
                    std::uint32_t writers) {
  const auto* const ram = block.as<std::byte>();
  std::string found = strange_page(ram, owner, iova, mailbox);
  if (found.empty() && size > cell_page) {
    found = strange_page(ram + size - cell_page, owner, iova + size - cell_page, cell_page);
  }
  std::uint64_t word{};
  machine::copy_out(ram + mailbox, &word, sizeof word);
  const Stamp by = stamp_of(word);
  if (found.empty() && word != 0 &&
      (by.iova != iova + mailbox || by.owner < first_writer || by.owner >= first_writer + writers)) {
    found = fmt::format("owner {}'s page at {:#x} holds a write of {} to {:#x}", owner, iova, by.owner, by.iova);
  }
  return found;
}

} // namespace sluice::scenario
