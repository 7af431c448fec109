#include <sluice/pcie/dma.hpp>

namespace sluice::pcie {

namespace {
void add(base::Atomic<std::uint64_t>& counter, std::uint64_t n) { counter.fetch_add(n, base::Order::relaxed); }
} // namespace

bool Dma::read(Master& master, std::uint64_t iova, void* into, std::uint64_t size) {
  return make(master, iova, into, size, false);
}

bool Dma::write(Master& master, std::uint64_t iova, const void* from, std::uint64_t size) {
  return make(master, iova, const_cast<void*>(from), size, true); // of a write, the data is only read
}

bool Dma::make(Master& master, std::uint64_t iova, void* data, std::uint64_t size, bool write) {
  latest_ = {.iova = iova, .size = size, .write = write};
  if (!function_.bus_master()) {
    latest_.result.outcome.kind = model::Outcome::Kind::aborted;
    add(withheld_, 1);
    return false;
  }
  latest_.result = master.transfer({.stream_id = function_.stream(), .address = iova, .write = write}, data, size);
  count(latest_);
  if (watch_ != nullptr) {
    watch_->on_dma(latest_);
  }
  return latest_.result.outcome.served();
}

void Dma::count(const DmaRecord& record) {
  const model::Outcome& outcome = record.result.outcome;
  add(record.write ? writes_ : reads_, 1);
  add(record.write ? bytes_written_ : bytes_read_, record.result.done);
  if (outcome.served()) {
    add(served_, 1);
  } else if (outcome.kind == model::Outcome::Kind::zeroed) {
    add(zeroed_, 1);
  } else if (outcome.by_bus) {
    add(bus_aborts_, 1);
  } else {
    add(faulted_, 1);
    add(recorded_, outcome.recorded ? 1 : 0);
  }
}

DmaCounters Dma::counters() const {
  const auto get = [](const Count& c) { return c.load(base::Order::relaxed); };
  return {.reads = get(reads_),
          .writes = get(writes_),
          .bytes_read = get(bytes_read_),
          .bytes_written = get(bytes_written_),
          .served = get(served_),
          .faulted = get(faulted_),
          .recorded = get(recorded_),
          .bus_aborts = get(bus_aborts_),
          .zeroed = get(zeroed_),
          .withheld = get(withheld_)};
}

} // namespace sluice::pcie
