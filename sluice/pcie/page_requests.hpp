#pragma once

#include <sluice/model/port.hpp>
#include <sluice/pcie/translation_capabilities.hpp>
#include <sluice/platform/sync.hpp>
#include <sluice/platform/time.hpp>

#include <array>
#include <cstdint>
#include <optional>

namespace sluice::pcie {

// 10.4: a function's Page Request Interface. Each group is known by its index; a response may come at any time, also
// after whoever asked has given up.
class PageRequests {
public:
  static constexpr std::size_t most = 512; // 9 bits of index

  PageRequests(TranslationCapabilities& capabilities, platform::Sync& sync, platform::Time& time,
               std::uint64_t limit_us)
      : capabilities_{capabilities}, sync_{sync}, time_{time}, limit_ns_{limit_us * 1000} {}

  // Asks for `pages` pages from `first.address` on, with one group; fewer if fewer are allowed. No value: PRI is not
  // enabled, has failed, or everything allowed is under way.
  std::optional<std::uint16_t> request(model::Port& port, model::PageRequest first, unsigned pages);

  enum class Answer : std::uint8_t {
    none,      // not yet
    success,   // ask for the translation again
    refused,   // there is no such page
    failed,    // 10.4.2: PRI does not work any more
    timed_out, // software takes too long
  };
  // Other answers than `none` are given once.
  Answer answer(std::uint16_t index);
  // Nobody will ask for the answer.
  void abandon(std::uint16_t index);

  void on_response(const model::PageResponse& response);
  // After each write of configuration space, and as after a reset of the function.
  void on_config_write();
  void reset();

private:
  struct Group {
    bool under_way{}; // no response yet
    bool awaited{};   // somebody asks for the answer
    bool with_pasid{};
    unsigned pages{};
    std::uint64_t since_ns{};
    Answer answer{};
  };
  std::optional<std::uint16_t> reserve(unsigned& pages, bool with_pasid);
  void update_stopped();

  TranslationCapabilities& capabilities_;
  platform::Sync& sync_;
  platform::Time& time_;
  const std::uint64_t limit_ns_;
  platform::SpinLock lock_; // of what follows
  std::array<Group, most> groups_{};
  std::size_t next_{0};
  unsigned pages_under_way_{0};
};

} // namespace sluice::pcie
