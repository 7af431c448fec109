#include <sluice/pcie/copy_engine.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace sluice::pcie {

namespace {

constexpr FunctionIds ids{.vendor = 0x1b36, .device = 0x00c0, .revision = 1, .class_code = 0x088000};

CopyReport report(const model::Transfer& transfer, std::uint64_t iova, bool write) {
  CopyReport result{.moved = transfer.done};
  if (!transfer.outcome.served()) {
    result.abort = Abort{iova + transfer.done, write, transfer.outcome};
  }
  return result;
}

} // namespace

CopyEngine::CopyEngine(Address address) : Function{ids, address} {}

model::Request CopyEngine::request(std::uint64_t iova, bool write) const {
  return {.stream_id = stream(), .address = iova, .write = write};
}

CopyReport CopyEngine::copy(model::Port& port, const CopyJob& job) {
  CopyReport total{.not_master = !bus_master()};
  std::array<std::byte, burst> buffer;
  while (total.complete() && total.moved < job.size) {
    const std::uint64_t from = job.source + total.moved;
    const std::uint64_t to = job.destination + total.moved;
    const std::uint64_t length = std::min(burst, job.size - total.moved);

    model::Port::Burst online{port};
    const model::Transfer in = online.transfer(request(from, false), buffer.data(), length);
    const model::Transfer out = online.transfer(request(to, true), buffer.data(), in.done);
    total.moved += out.done;
    total.abort = report(out, to, true).abort;
    if (!total.abort) {
      total.abort = report(in, from, false).abort;
    }
  }
  return total;
}

CopyReport CopyEngine::read(model::Port& port, std::uint64_t iova, void* into, std::uint64_t size) {
  if (!bus_master()) {
    return {.not_master = true};
  }
  return report(port.transfer(request(iova, false), into, size), iova, false);
}

CopyReport CopyEngine::write(model::Port& port, std::uint64_t iova, const void* from, std::uint64_t size) {
  if (!bus_master()) {
    return {.not_master = true};
  }
  // Of a write, the port only reads the data.
  return report(port.transfer(request(iova, true), const_cast<void*>(from), size), iova, true);
}

} // namespace sluice::pcie
