#pragma once

#include "../reference/smmu.hpp"

#include <sluice/model/bus.hpp>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace sluice::fuzz {

// Memory of pages that appear when they are written, and a guard: what the SMMU reads for itself has to lie in a region
// that registers name, or where a word that it has read before points (3.21.3).
class Memory final : public model::Bus, public reference::Memory {
public:
  struct Region {
    std::uint64_t first{}, bytes{};
    bool holds(std::uint64_t at) const { return at - first < bytes; }
  };

  // What registers name, and how many bits an address has.
  std::vector<Region> tables;
  Region commands, events, page_requests;
  unsigned oas{52};

  std::uint64_t get(std::uint64_t at) const {
    const auto page = pages_.find(at >> 12);
    return page == pages_.end() ? 0 : page->second[at >> 3 & 511];
  }
  void put(std::uint64_t at, std::uint64_t word) {
    pages_[at >> 12][at >> 3 & 511] = word;
    ++changes_;
  }
  // How many words have been written so far.
  std::uint64_t changes() const { return changes_; }
  std::optional<std::uint64_t> word(std::uint64_t at) const override {
    return aborts(at) ? std::nullopt : std::optional{get(at)};
  }

  // All accesses to the page abort.
  void plant(std::uint64_t at) { planted_.push_back(at >> 12); }
  void heal() { planted_.clear(); }
  bool aborts(std::uint64_t at) const { return std::ranges::find(planted_, at >> 12) != planted_.end(); }

  // Nothing that was read before counts any more: what is cached has been invalidated.
  void forget() {
    known_.clear();
    justified_.clear();
  }
  // Words that the SMMU has read for itself since clear_reads().
  struct Own {
    std::uint64_t at{};
    model::Attributes attributes{};
  };
  const std::vector<Own>& reads() const { return reads_; }
  void clear_reads() { reads_.clear(); }
  // Accesses of clients, of which the last one's address and attributes are kept; and whether one changed a word that
  // the SMMU may know.
  std::optional<std::uint64_t> client_address;
  model::Attributes client_attributes{};
  bool client_changed_tables{};
  std::uint64_t wire_edges{};
  // 4.5.1: how endpoints answer, and whether what is pending is complete.
  model::AtcAnswer atc_answer{model::AtcAnswer::completed};
  bool atc_done{true};

  bool read(const model::BusAccess& a, void* into) override;
  bool write(const model::BusAccess& a, const void* from) override;
  bool read64(std::uint64_t at, const model::Attributes& attributes, std::uint64_t& value) override;
  bool compare_exchange64(std::uint64_t at, const model::Attributes&, std::uint64_t& expected,
                          std::uint64_t desired) override;
  bool message(const model::BusAccess& a, std::uint32_t data) override;
  void pulse(model::Wire) override { ++wire_edges; }
  void send_event() override { ++wire_edges; }
  model::AtcAnswer invalidate_atc(const model::AtcInvalidation&) override { return atc_answer; }
  bool atc_completed(std::uint32_t, std::uint8_t) override { return atc_done; }

private:
  bool justified(std::uint64_t at);
  void check(std::uint64_t at, const char* what);
  std::uint8_t byte(std::uint64_t at) const { return static_cast<std::uint8_t>(get(at & ~7ULL) >> at % 8 * 8); }
  void set_byte(std::uint64_t at, std::uint8_t value);

  std::unordered_map<std::uint64_t, std::array<std::uint64_t, 512>> pages_;
  std::vector<std::uint64_t> planted_;
  std::unordered_set<std::uint64_t> known_;     // words
  std::unordered_set<std::uint64_t> justified_; // pages that they name
  std::vector<Own> reads_;
  std::uint64_t changes_{0};
};

} // namespace sluice::fuzz
