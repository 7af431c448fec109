#pragma once

#include <sluice/platform/pci_translation.hpp>

#include <functional>
#include <map>

namespace sluice::test {

// The configuration space of a PCI function with ATS, PASID and, if it has a capacity for page requests, PRI; and who
// looks at what is written there.
class FakeFunction : public platform::PciFunction {
public:
  explicit FakeFunction(unsigned pasid_bits = 9, bool ats = true, std::uint32_t page_requests = 0,
                        bool pasid_in_response = false) {
    namespace pci = platform::pci;
    words_[pci::extended_capabilities] = pci::pasid_id | 1U << 16 | std::uint32_t{ats_at} << 20;
    words_[pci::extended_capabilities + pci::pasid_capability] = pasid_bits << pci::pasid_width_shift;
    words_[ats_at] = (ats ? pci::ats_id : 0xffffU) | 1U << 16;
    if (page_requests != 0) {
      words_[ats_at] |= std::uint32_t{pri_at} << 20;
      words_[pri_at] = pci::pri_id | 1U << 16;
      words_[pri_at + pci::pri_capacity] = page_requests;
      status_ = pasid_in_response ? pci::pri_pasid_in_response : 0;
    }
  }
  std::function<void(bool ats)> on_ats;
  std::function<void(bool pri)> on_pri;
  bool allowed{true};
  unsigned outstanding{}; // page requests that it waits for
  // 10.4.2.1: a response says that it is to ask no more, until it is reset.
  void fail_pri() { status_ |= platform::pci::pri_response_failure; }
  bool pri_failed() const { return (status_ & platform::pci::pri_response_failure) != 0; }

  bool ats() const { return (get(ats_at + platform::pci::ats_capability) >> 16 & platform::pci::ats_enable) != 0; }
  unsigned stu() const { return get(ats_at + platform::pci::ats_capability) >> 16 & platform::pci::ats_stu; }
  bool pri() const { return (get(pri_at + platform::pci::pri_control) & platform::pci::pri_enable) != 0; }
  std::uint32_t allocation() const { return get(pri_at + platform::pci::pri_allocation); }
  bool pasid() const {
    return (get(platform::pci::extended_capabilities + platform::pci::pasid_capability) >> 16 & 1) != 0;
  }
  unsigned writes{};

  platform::PciFacts facts() const override { return {allowed}; }
  std::uint32_t config_read(std::uint16_t offset, unsigned size) override {
    std::uint32_t word = get(offset & 0xffcU);
    if ((offset & 0xffcU) == pri_at + platform::pci::pri_control) {
      const std::uint32_t stopped = !pri() && outstanding == 0 ? std::uint32_t{platform::pci::pri_stopped} : 0;
      word = (word & 0xffff) | (status_ | stopped) << 16;
    }
    word >>= 8 * (offset & 3);
    return size == 4 ? word : word & ((1U << 8 * size) - 1);
  }
  void config_write(std::uint16_t offset, unsigned size, std::uint32_t value) override {
    const bool before = ats();
    const bool asked = pri();
    const unsigned shift = 8 * (offset & 3);
    const std::uint32_t mask = (size == 4 ? ~0U : (1U << 8 * size) - 1) << shift;
    if (offset == pri_at + platform::pci::pri_status) { // what is written 1 is cleared
      status_ &= ~(value & (platform::pci::pri_response_failure | platform::pci::pri_unexpected_index));
      ++writes;
      return;
    }
    auto& word = words_[offset & 0xffc];
    word = (word & ~mask) | (value << shift & mask);
    ++writes;
    if (on_ats && before != ats()) {
      on_ats(ats());
    }
    if (on_pri && asked != pri()) {
      on_pri(pri());
    }
  }

private:
  static constexpr std::uint16_t ats_at = 0x110;
  static constexpr std::uint16_t pri_at = 0x120;
  std::uint32_t get(unsigned at) const {
    const auto it = words_.find(at);
    return it != words_.end() ? it->second : 0;
  }

  std::map<unsigned, std::uint32_t> words_;
  std::uint32_t status_{};
};

} // namespace sluice::test
