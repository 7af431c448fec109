#include <sluice/scenario/traffic.hpp>

#include <sluice/arch/event.hpp>
#include <sluice/arch/names/enums.hpp>
#include <sluice/scenario/stamp.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace sluice::scenario {

using base::Order;

namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t event_limit_us = 2'000'000;
// Owners of written bytes, apart from those of spaces and leases.
constexpr std::uint32_t first_serial = 1u << 23;

// Up to the next border of a page.
std::uint64_t rest_of_page(std::uint64_t address) { return page - address % page; }

std::string about(const pcie::Abort& abort) {
  std::string_view why = "no event";
  if (abort.outcome.by_bus) {
    why = "nothing is there for this endpoint";
  } else if (abort.outcome.event) {
    why = arch::names::name_of(*abort.outcome.event);
  }
  return fmt::format("{} of IOVA {:#x} was aborted: {}", abort.write ? "write" : "read", abort.iova, why);
}

std::string about(const Stream& stream, const History::Range& range) {
  std::string text = stream.endpoint.describe() + ", attached:";
  for (std::uint64_t i = range.first; i <= range.last; ++i) {
    text += " " + stream.history.at(i).describe();
  }
  return text;
}

// What the first whole word at `iova` says.
std::string about_bytes(const std::byte* bytes, std::uint64_t iova, std::uint64_t size) {
  const std::uint64_t skip = (8 - iova % 8) % 8;
  if (size < skip + 8) {
    return fmt::format("{:#04x}", static_cast<unsigned>(bytes[0]));
  }
  std::uint64_t word{};
  std::memcpy(&word, bytes + skip, sizeof word);
  const Stamp stamp = stamp_of(word);
  return fmt::format("{:#018x}, which is owner {} at {:#x}", word, stamp.owner, stamp.iova);
}

} // namespace

Traffic::Traffic(const Site& site, std::vector<Stream*> streams, EventBook& events, hosted::Random random,
                 Findings& findings)
    : port_{site.hardware}, streams_{std::move(streams)}, events_{events}, time_{site.time},
      takes_turns_{site.takes_turns}, random_{random}, findings_{findings}, buffer_(Space::window_size) {}

void Traffic::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    turn(*streams_[random_.below(static_cast<std::uint32_t>(streams_.size()))]);
    for (Stream* stream : streams_) {
      stream->history.pass();
    }
    // A turn for others. Free threads rarely give one, so that they are interrupted at any place.
    if (takes_turns_ || random_.one_in(16)) {
      time_.relax();
    }
  }
}

void Traffic::turn(Stream& stream) {
  counts_.jobs.fetch_add(1, Order::relaxed);
  if (stream.lease.phase() == Lease::Phase::offered) {
    return read_lease(stream);
  }
  if (stream.lease.phase() == Lease::Phase::withdrawn) {
    return probe_lease(stream);
  }
  switch (random_.below(3)) {
  case 0:
    return read(stream);
  case 1:
    return write(stream);
  default:
    return copy(stream);
  }
}

// An offset into a window for a job of some size, which is drawn too.
std::uint64_t Traffic::pick(std::uint64_t unit, std::uint64_t& size) {
  const std::uint64_t most = random_.one_in(4) ? Space::window_size : 512;
  size = random_.between(1, most / unit) * unit;
  return random_.between(0, (Space::window_size - size) / unit) * unit;
}

void Traffic::count(const History::Range& range, std::uint64_t moved) {
  counts_.moved.fetch_add(moved, Order::relaxed);
  counts_.verified.fetch_add(moved, Order::relaxed);
  counts_.during.fetch_add(range.first != range.last ? 1 : 0, Order::relaxed);
}

bool Traffic::went_through(const Stream& stream, const pcie::CopyReport& report) {
  if (report.complete()) {
    return true;
  }
  counts_.aborts.fetch_add(1, Order::relaxed);
  findings_.add(Rule::hitless,
                fmt::format("{}: {}", stream.endpoint.describe(),
                            report.abort ? about(*report.abort) : "the endpoint is no bus master any more"));
  return false;
}

bool Traffic::answered_by_one_of(const Stream& stream, const History::Range& range, std::uint64_t iova,
                                 const std::byte* bytes, std::uint64_t size) {
  for (std::uint64_t i = range.last; i >= range.first; --i) {
    if (stamped(bytes, stream.history.at(i).owner(), iova, size)) {
      return true;
    }
  }
  findings_.add(Rule::bytes, fmt::format("read of IOVA {:#x} gave {}; {}", iova, about_bytes(bytes, iova, size),
                                         about(stream, range)));
  return false;
}

void Traffic::read(Stream& stream) {
  std::uint64_t size = 0;
  const std::uint64_t offset = pick(1, size);
  const std::uint64_t iova = stream.window.source + offset;
  const std::uint64_t mark = stream.history.mark();
  const auto report = stream.endpoint.read(port_, iova, buffer_.data(), size);
  const auto range = stream.history.since(mark);
  if (!went_through(stream, report)) {
    return;
  }
  for (std::uint64_t at = 0; at < size;) {
    const std::uint64_t piece = std::min(rest_of_page(iova + at), size - at);
    if (!answered_by_one_of(stream, range, iova + at, buffer_.data() + at, piece)) {
      return;
    }
    at += piece;
  }
  count(range, size);
}

bool Traffic::arrived(const Stream& stream, const History::Range& range, std::uint64_t offset, std::uint32_t owner,
                      std::uint64_t iova, std::uint64_t size) {
  std::vector<std::byte> found(size);
  bool anywhere = false;
  for (std::uint64_t i = range.last; i >= range.first; --i) {
    Space& space = stream.history.at(i);
    space.destination(stream.index, offset, found.data(), size);
    bool right = owner != 0 && stamped(found.data(), owner, iova, size);
    for (std::uint64_t j = range.last; owner == 0 && j >= range.first && !right; --j) {
      right = stamped(found.data(), stream.history.at(j).owner(), iova, size);
    }
    if (right) {
      space.expect(stream.index, offset, found.data(), size);
      anywhere = true;
    }
  }
  if (!anywhere) {
    findings_.add(Rule::bytes,
                  fmt::format("{} bytes written to IOVA {:#x} are in no domain that was attached, which hold {}; {}",
                              size, stream.window.destination + offset, about_bytes(found.data(), iova, size),
                              about(stream, range)));
  }
  return anywhere;
}

void Traffic::write(Stream& stream) {
  std::uint64_t size = 0;
  const std::uint64_t offset = pick(8, size);
  const std::uint64_t iova = stream.window.destination + offset;
  serial_ = (serial_ + 1) % first_serial;
  const std::uint32_t owner = first_serial + serial_;
  stamp(buffer_.data(), owner, iova, size);
  const std::uint64_t mark = stream.history.mark();
  const auto report = stream.endpoint.write(port_, iova, buffer_.data(), size);
  const auto range = stream.history.since(mark);
  if (!went_through(stream, report)) {
    return;
  }
  for (std::uint64_t at = 0; at < size;) {
    const std::uint64_t piece = std::min(rest_of_page(iova + at), size - at);
    if (!arrived(stream, range, offset + at, owner, iova + at, piece)) {
      return;
    }
    at += piece;
  }
  count(range, size);
}

void Traffic::copy(Stream& stream) {
  std::uint64_t size = 0;
  const std::uint64_t from = pick(8, size);
  const std::uint64_t to = random_.between(0, (Space::window_size - size) / 8) * 8;
  const pcie::CopyJob job{stream.window.source + from, stream.window.destination + to, size};
  const std::uint64_t mark = stream.history.mark();
  const auto report = stream.endpoint.copy(port_, job);
  const auto range = stream.history.since(mark);
  if (!went_through(stream, report)) {
    return;
  }
  for (std::uint64_t at = 0; at < size;) {
    const std::uint64_t burst = pcie::CopyEngine::burst;
    const std::uint64_t piece =
        std::min({rest_of_page(job.source + at), rest_of_page(job.destination + at), burst - at % burst, size - at});
    if (!arrived(stream, range, to + at, 0, job.source + at, piece)) {
      return;
    }
    at += piece;
  }
  count(range, 2 * size);
}

void Traffic::read_lease(Stream& stream) {
  Lease& lease = stream.lease;
  const std::uint64_t size = std::min<std::uint64_t>(lease.size(), buffer_.size());
  const auto report = stream.endpoint.read(port_, lease.iova(), buffer_.data(), size);
  if (went_through(stream, report)) {
    if (!stamped(buffer_.data(), lease.owner(), lease.iova(), size)) {
      findings_.add(Rule::bytes,
                    fmt::format("{} read newly mapped memory at {:#x} and got {}", stream.endpoint.describe(),
                                lease.iova(), about_bytes(buffer_.data(), lease.iova(), size)));
    }
    counts_.moved.fetch_add(size, Order::relaxed);
    counts_.verified.fetch_add(size, Order::relaxed);
  }
  lease.warm();
}

// 3.9.1: who asks for a translation before the access is told that there is none, and leaves no event.
bool Traffic::refused_in_time(const Stream& stream, const pcie::Abort& abort) {
  if (stream.endpoint.caches()) {
    return !abort.outcome.recorded;
  }
  return platform::wait_until(time_, event_limit_us, [&] { return events_.seen(stream.index); });
}

void Traffic::probe_lease(Stream& stream) {
  Lease& lease = stream.lease;
  const std::uint64_t iova = lease.iova() + random_.between(0, lease.size() - 8);
  const std::uint64_t size = std::min<std::uint64_t>(8, rest_of_page(iova));
  if (!stream.endpoint.caches()) {
    events_.expect(stream.index, iova);
  }
  const auto report = stream.endpoint.read(port_, iova, buffer_.data(), size);
  if (!report.abort) {
    findings_.add(Rule::unmap, fmt::format("{} still reads IOVA {:#x} after unmap returned: {}",
                                           stream.endpoint.describe(), iova, about_bytes(buffer_.data(), iova, size)));
  } else {
    (stream.endpoint.caches() ? counts_.refused_ats : counts_.refused).fetch_add(1, Order::relaxed);
    if (!refused_in_time(stream, *report.abort)) {
      findings_.add(Rule::event, fmt::format("{}: {}, which is not what an unmapped page gives",
                                             stream.endpoint.describe(), about(*report.abort)));
    }
  }
  events_.settle(stream.index);
  lease.done();
}

} // namespace sluice::scenario
