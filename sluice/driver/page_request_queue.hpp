#pragma once

#include <sluice/driver/capabilities.hpp>
#include <sluice/driver/config.hpp>
#include <sluice/driver/output_queue.hpp>
#include <sluice/driver/stream_table.hpp>
#include <sluice/iommu/page_requests.hpp>

namespace sluice::driver {

// 8 The PRI queue: takes page requests of PCIe functions to PageRequests, and decides how many each may have under way.
class PageRequestQueue final : private RecordReader<arch::PriRecord> {
public:
  PageRequestQueue(const platform::Platform& platform, Registers& registers, Health& health,
                   const Capabilities& capabilities, const StreamTable& streams, iommu::PageRequests& requests)
      : sync_{platform.sync}, health_{health}, capabilities_{capabilities}, streams_{streams}, requests_{requests},
        queue_{platform.memory, registers, health} {}
  PageRequestQueue(const PageRequestQueue&) = delete;
  PageRequestQueue& operator=(const PageRequestQueue&) = delete;

  // Errors: no_memory.
  base::Status make(const Config& config);
  // Whether there is one.
  bool works() const { return works_; }
  unsigned log2() const { return queue_.log2(); }
  void program() { queue_.program(); }
  void forget() { queue_.forget(); }

  // Each record wants an answer, for which there may be a wait. Any thread.
  void read();
  // 6.3.19 PRIQ_ABT_ERR: a record could not be written. Says whether functions are to ask again: not if several times
  // in a row none could be written. By one thread at a time.
  bool abort();

  // Requests that a function may have under way: at most `wanted`, and with those of all others no more than there is
  // room for, so that the queue does not overflow. With the unit's mutex held.
  std::uint32_t lend(std::uint32_t wanted);
  void give_back(std::uint32_t credits) { credits_ += credits; }

  std::uint64_t records() const { return queue_.records(); }
  std::uint64_t overflows() const { return queue_.overflows(); }
  std::uint64_t unknown() const { return unknown_.load(base::Order::relaxed); }

private:
  bool on_record(const arch::PriRecord& record, bool may_wait) override;
  bool wants_answer(const arch::PriRecord&) const override { return true; }
  // 8.2: the SMMU has answered for what it lost, also for groups of which a part is here.
  void on_lost() override { requests_.drop_collected(); }

  platform::Sync& sync_;
  Health& health_;
  const Capabilities& capabilities_;
  const StreamTable& streams_;
  iommu::PageRequests& requests_;
  OutputQueue<PageRequestRecords> queue_;
  static constexpr unsigned most_aborts = 3; // in a row

  bool works_{};
  unsigned aborts_{};              // since a record was last read
  std::uint64_t records_before_{}; // the latest of them
  std::uint32_t per_function_{};
  std::uint32_t credits_{};
  base::Atomic<std::uint64_t> unknown_{0};
};

} // namespace sluice::driver
