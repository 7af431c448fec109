#pragma once

#include <sluice/hosted/port.hpp>
#include <sluice/iommu/unit.hpp>
#include <sluice/iommufd/context.hpp>
#include <sluice/iommufd/memory_limit.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <set>
#include <vector>

// An IOMMU, a caller and a process that do what a test says.
namespace sluice::iommufd::test {

namespace u = uapi::iommufd;

class FakeUnit;

class FakeDomain final : public iommu::Domain {
public:
  FakeDomain(iommu::Unit& unit, const iommu::PagingOptions& how, std::set<FakeDomain*>& all,
             iommu::DomainType type = iommu::DomainType::paging,
             iommu::Geometry geometry = {0, (1ULL << 48) - 1, 0x40201000, ~0ULL})
      : Domain{unit, type, geometry, how.page_requests}, options{how}, all_{all} {
    all_.insert(this);
  }

  base::Progress map(std::uint64_t iova, std::uint64_t pa, std::uint64_t size, iommu::Prot prot) override {
    largest_map = std::max(largest_map, size);
    if (fail_map_after == 0) { // and from then on
      return {size / 2, base::Errc::no_memory};
    }
    fail_map_after -= fail_map_after > 0 ? 1 : 0;
    std::uint64_t at = 0;
    try {
      for (; at < size; at += 4096) {
        pages[iova + at] = {pa + at, prot};
      }
    } catch (const std::bad_alloc&) {
      return {at, base::Errc::no_memory};
    }
    return {size, {}};
  }
  base::Progress unmap(std::uint64_t iova, std::uint64_t size) override {
    if (unmap_times_out) {
      return {0, base::Errc::timed_out};
    }
    for (std::uint64_t at = 0; at < size; at += 4096) {
      pages.erase(iova + at);
    }
    return {size, {}};
  }

  base::Status set_dirty_tracking(bool on) override {
    tracking = on;
    written.clear();
    return {};
  }
  base::Progress read_dirty(std::uint64_t iova, std::uint64_t size, iommu::Clear clear,
                            iommu::DirtySink& sink) override {
    if (!tracking) {
      return {0, base::Errc::busy};
    }
    for (auto at = written.lower_bound(iova); at != written.end() && *at - iova < size;) {
      sink.dirty(*at, 4096);
      at = clear == iommu::Clear::yes ? written.erase(at) : std::next(at);
    }
    if (on_read) {
      on_read();
    }
    return {size, {}};
  }

  struct Page {
    std::uint64_t pa;
    iommu::Prot prot;
  };
  bool tracking{};
  std::set<std::uint64_t> written; // dirty pages
  std::function<void()> on_read;
  iommu::PagingOptions options;
  std::map<std::uint64_t, Page> pages;
  int fail_map_after{-1};
  bool unmap_times_out{};
  std::uint64_t largest_map{};

private:
  ~FakeDomain() { all_.erase(this); }
  void release() override { delete this; }

  std::set<FakeDomain*>& all_;
};

class FakeAttachment final : public iommu::Attachment {
public:
  FakeAttachment(iommu::Device& device, iommu::Domain& domain, iommu::Target target)
      : Attachment{device, domain, target} {}
};

class FakeDevice final : public iommu::Device {
public:
  explicit FakeDevice(iommu::Unit& unit) : Device{unit} {}

  std::uint32_t max_pasids() const override { return pasids; }

  base::Errc refuse{}; // with `refuses`
  bool refuses{};
  std::vector<iommu::Domain*> seen; // every domain that it was moved to, null for detach
  std::uint32_t pasids{};
  std::map<std::uint32_t, FakeAttachment*> at_pasids;

protected:
  base::Result<iommu::Attachment*> prepare(iommu::Domain& domain, iommu::Target target, iommu::Attachment*,
                                           const iommu::Options&) override try {
    if (refuses) {
      return refuse;
    }
    if (!target.is_rid()) {
      at_pasids.try_emplace(target.value(), nullptr);
    }
    seen.reserve(seen.size() + 2); // a detach cannot fail
    return new FakeAttachment{*this, domain, target};
  } catch (const std::bad_alloc&) {
    forget(target);
    return base::Errc::no_memory;
  }
  iommu::Change commit(iommu::Attachment& next, iommu::Attachment* old) override {
    seen.push_back(&next.domain());
    if (!next.target().is_rid()) {
      at_pasids[next.target().value()] = static_cast<FakeAttachment*>(&next);
    }
    delete static_cast<FakeAttachment*>(old);
    return {};
  }
  void abandon(iommu::Attachment& next) override {
    forget(next.target());
    delete static_cast<FakeAttachment*>(&next);
  }
  iommu::Change detach_and_free(iommu::Attachment& old) override {
    seen.push_back(nullptr);
    at_pasids.erase(old.target().value());
    delete static_cast<FakeAttachment*>(&old);
    return {};
  }
  iommu::Attachment* find_pasid(std::uint32_t pasid) override {
    const auto at = at_pasids.find(pasid);
    return at != at_pasids.end() ? at->second : nullptr;
  }
  bool has_pasids() const override { return !at_pasids.empty(); }

private:
  void forget(iommu::Target target) {
    if (const auto at = at_pasids.find(target.value()); at != at_pasids.end() && at->second == nullptr) {
      at_pasids.erase(at);
    }
  }
};

// Invalidations of up to `good` entries succeed.
class FakeViommu final : public iommu::Viommu {
public:
  FakeViommu(iommu::Unit& unit, std::set<FakeDomain*>& domains, int& live)
      : unit_{unit}, domains_{domains}, live_{live} {
    ++live_;
  }
  ~FakeViommu() { --live_; }

  base::Result<iommu::Domain*> nested_alloc(std::uint32_t type, std::span<const std::byte> data) override {
    if (type != 2 || data.size() != 16) {
      return base::Errc::invalid_argument;
    }
    return last_nested = new FakeDomain{unit_, {.page_requests = true}, domains_, iommu::DomainType::nested};
  }
  base::Status vdevice_add(iommu::Device& device, std::uint64_t id) override try {
    names[&device] = id;
    return {};
  } catch (const std::bad_alloc&) {
    return base::Errc::no_memory;
  }
  base::Status vdevice_remove(iommu::Device& device) override {
    names.erase(&device);
    return {};
  }
  base::Status invalidate(iommu::InvalidateRequest& request) override {
    if (!can_invalidate) {
      return Viommu::invalidate(request);
    }
    const auto count = static_cast<std::uint32_t>(request.entries.size() / request.entry_size);
    request.done = std::min(count, good);
    executed += request.done;
    return request.done == count ? base::Status{} : base::Status{base::Errc::reserved_bits};
  }
  base::Status set_event_sink(std::uint32_t, iommu::EventSink* sink) override {
    events = sink;
    return {};
  }
  base::Status destroy() override {
    delete this;
    return {};
  }

  FakeDomain* last_nested{};
  bool can_invalidate{true};
  std::uint32_t good{~0U};
  std::uint32_t executed{};
  std::map<iommu::Device*, std::uint64_t> names;
  iommu::EventSink* events{};

private:
  iommu::Unit& unit_;
  std::set<FakeDomain*>& domains_;
  int& live_;
};

class FakeUnit final : public iommu::Unit {
public:
  explicit FakeUnit(const platform::Platform& platform) : Unit{platform} {}

  iommu::Domain& identity() override { __builtin_trap(); }
  iommu::Domain& blocked() override { __builtin_trap(); }
  base::Result<iommu::Domain*> make_paging(const iommu::PagingOptions& options) override {
    if (options.page_requests && !stalls) {
      return base::Errc::unsupported;
    }
    last_paging = new FakeDomain{*this, options, domains};
    last_paging->fail_map_after = fail_map_after;
    return last_paging;
  }
  base::Result<iommu::HwInfo> hw_info(std::uint32_t type, std::span<std::byte> out) override {
    if (type != 0 && type != 2) {
      return base::Errc::unsupported;
    }
    std::memset(out.data(), 0x5a, 40);
    return iommu::HwInfo{2, 40};
  }
  base::Result<iommu::Viommu*> viommu_alloc(std::uint32_t type, iommu::Domain&, std::span<const std::byte>) override {
    if (type != 1) {
      return base::Errc::unsupported;
    }
    return last_viommu = new FakeViommu{*this, domains, live_viommus};
  }

  bool can_track_dirty() const override { return dirty; }
  base::Status respond(iommu::PageTicket, iommu::PageResponse response) override {
    const std::lock_guard guard{responding};
    responses.push_back(response);
    return answered_before ? base::Status{base::Errc::not_found} : base::Status{};
  }

  bool dirty{true};
  bool stalls{true};
  bool answered_before{};
  std::mutex responding;
  std::vector<iommu::PageResponse> responses;
  std::set<FakeDomain*> domains;
  FakeDomain* last_paging{};
  FakeViommu* last_viommu{};
  int live_viommus{};
  int fail_map_after{-1};
};

// Memory of a caller: what is not in `bytes` is not mapped.
class FakeCaller final : public Caller {
public:
  base::Status read(std::uint64_t from, std::span<std::byte> into) override {
    if (!holds(from, into.size())) {
      return base::Errc::bad_address;
    }
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(from), into.size(), into.begin());
    return {};
  }
  base::Status write(std::uint64_t to, std::span<const std::byte> from) override {
    if (!holds(to, from.size()) || (read_only_from != 0 && to >= read_only_from)) {
      return base::Errc::bad_address;
    }
    std::copy(from.begin(), from.end(), bytes.begin() + static_cast<std::ptrdiff_t>(to));
    if (writes != nullptr) {
      writes->emplace_back(to, from.size());
    }
    return {};
  }

  std::array<std::byte, 1 << 16> bytes{};
  std::uint64_t read_only_from{};
  using Writes = std::vector<std::pair<std::uint64_t, std::size_t>>; // address and size of each
  Writes* writes{};                                                  // for tests with one thread

private:
  // Address 0 is nobody's.
  bool holds(std::uint64_t at, std::size_t size) const {
    return at != 0 && at < bytes.size() && size <= bytes.size() - at;
  }
};

using FakeMemory = std::map<std::uint64_t, std::byte>; // by machine address

class FakeWindow final : public Window {
public:
  FakeWindow(std::uint64_t address, int& live, FakeMemory& memory) : Window{address}, live_{live}, memory_{memory} {
    ++live_;
  }
  ~FakeWindow() override { --live_; }

  base::Status read(std::uint64_t offset, std::span<std::byte> into) const override {
    for (std::size_t i = 0; i < into.size(); ++i) {
      into[i] = memory_[address() + offset + i];
    }
    return {};
  }
  base::Status write(std::uint64_t offset, std::span<const std::byte> from) const override {
    for (std::size_t i = 0; i < from.size(); ++i) {
      memory_[address() + offset + i] = from[i];
    }
    return {};
  }

private:
  int& live_;
  FakeMemory& memory_;
};

// A window lies 1 TB above what it shows.
class FakePages final : public Pages {
public:
  static constexpr std::uint64_t above = 1ULL << 40;

  base::Result<Window*> map_memory(std::uint64_t va, std::uint64_t, bool, WindowPlace place) override {
    wanted = place.iova;
    if (va == bad_va) {
      return base::Errc::bad_address;
    }
    if (on_map) {
      on_map();
    }
    return last = new FakeWindow{above + va, live, memory};
  }
  base::Result<Window*> map_file(int, std::uint64_t start, std::uint64_t, bool, WindowPlace) override {
    return new FakeWindow{2 * above + start, live, memory};
  }
  base::Result<int> duplicate(int fd) override {
    if (fd < 0) {
      return base::Errc::bad_descriptor;
    }
    ++files;
    return fd;
  }
  void close(int) override { --files; }
  void abandon(Window* window) override { abandoned.emplace_back(window); }

  std::uint64_t bad_va{~0ULL};
  std::uint64_t wanted{}; // the last place
  Window* last{};
  int live{};
  int files{};
  FakeMemory memory;
  std::vector<std::unique_ptr<Window>> abandoned;
  std::function<void()> on_map;
};

class FakeQueueDescriptor final : public QueueDescriptor {
public:
  explicit FakeQueueDescriptor(int& live) : live_{live} { ++live_; }
  ~FakeQueueDescriptor() override { --live_; }
  int number() const override { return 78; }
  void give() override { given = true; }
  void set_readable(bool now) override { readable = now; }
  bool connected() const override { return open; }

  bool readable{};
  bool open{true};
  bool given{};

private:
  int& live_;
};

class FakeChannels final : public Channels {
public:
  base::Result<QueueDescriptor*> open_queue(QueueFile& file, bool is_writable) override {
    queue_file = &file;
    writable = is_writable;
    return last_queue = new FakeQueueDescriptor{live_queues};
  }

  FakeQueueDescriptor* last_queue{};
  QueueFile* queue_file{};
  bool writable{};
  int live_queues{};
};

// One client with its structures at fixed places of its memory.
struct Client {
  static constexpr std::uint64_t at = 0x1000;
  static constexpr std::uint64_t buffer = 0x4000;

  hosted::Port port;
  FakeUnit unit{port.platform()};
  FakeUnit other_unit{port.platform()};
  FakeDevice rng{unit};
  FakeDevice second{unit};
  FakeDevice elsewhere{other_unit};
  FakeCaller caller;
  FakePages pages;
  FakeChannels channels;
  MemoryLimit limit{1ULL << 40};
  Context context{{.caller = caller, .pages = pages, .channels = channels, .limit = &limit}, port.sync};

  // 0 or errno; the structure is what the caller finds afterwards.
  template <class T>
  int call(T& cmd, std::uint32_t size = sizeof(T)) {
    cmd.size = size;
    std::memcpy(&caller.bytes[at], &cmd, sizeof cmd);
    const int result = -context.ioctl(u::call(T::nr), at);
    std::memcpy(&cmd, &caller.bytes[at], sizeof cmd);
    return result;
  }

  std::uint32_t ioas() {
    u::IoasAlloc cmd{};
    return call(cmd) == 0 ? cmd.out_ioas_id : 0;
  }
  int map(std::uint32_t id, std::uint64_t iova, std::uint64_t length, std::uint64_t va = 0x10'0000,
          std::uint32_t flags = u::map_fixed_iova | u::map_readable | u::map_writeable) {
    u::IoasMap cmd{.flags = flags, .ioas_id = id, .user_va = va, .length = length, .iova = iova};
    const int result = call(cmd);
    mapped_at = cmd.iova;
    return result;
  }
  int unmap(std::uint32_t id, std::uint64_t iova, std::uint64_t length) {
    u::IoasUnmap cmd{.ioas_id = id, .iova = iova, .length = length};
    const int result = call(cmd);
    unmapped = cmd.length;
    return result;
  }
  int hwpt(std::uint32_t device, std::uint32_t base, std::uint32_t flags = 0, std::uint32_t fault = 0) {
    u::HwptAlloc cmd{.flags = flags, .dev_id = device, .pt_id = base, .fault_id = fault};
    const int result = call(cmd);
    made = cmd.out_hwpt_id;
    return result;
  }
  int nested(std::uint32_t device, std::uint32_t viommu, std::uint32_t length = 16) {
    u::HwptAlloc cmd{.dev_id = device, .pt_id = viommu, .data_type = 2, .data_len = length, .data_uptr = buffer};
    const int result = call(cmd);
    made = cmd.out_hwpt_id;
    return result;
  }
  int viommu(std::uint32_t device, std::uint32_t hwpt_id, std::uint32_t type = 1) {
    u::ViommuAlloc cmd{.type = type, .dev_id = device, .hwpt_id = hwpt_id};
    const int result = call(cmd);
    made = cmd.out_viommu_id;
    return result;
  }
  int vdevice(std::uint32_t viommu_id, std::uint32_t device, std::uint64_t name) {
    u::VdeviceAlloc cmd{.viommu_id = viommu_id, .dev_id = device, .virt_id = name};
    const int result = call(cmd);
    made = cmd.out_vdevice_id;
    return result;
  }
  int veventq(std::uint32_t viommu_id, std::uint32_t depth) {
    u::VeventqAlloc cmd{.viommu_id = viommu_id, .type = 1, .veventq_depth = depth};
    const int result = call(cmd);
    made = cmd.out_veventq_id;
    return result;
  }
  int invalidate(std::uint32_t id, std::uint32_t entries, std::uint32_t length = 16) {
    u::HwptInvalidate cmd{
        .hwpt_id = id, .data_uptr = buffer, .data_type = 1, .entry_len = length, .entry_num = entries};
    const int result = call(cmd);
    done = cmd.entry_num;
    return result;
  }
  // The id, or 0.
  std::uint32_t fault_queue() {
    u::FaultQueueAlloc cmd{};
    return call(cmd) == 0 ? cmd.out_fault_id : 0;
  }
  int destroy(std::uint32_t id) {
    u::Destroy cmd{.id = id};
    return call(cmd);
  }

  std::uint32_t made{};
  std::uint32_t done{};
  std::uint64_t mapped_at{};
  std::uint64_t unmapped{};
};

} // namespace sluice::iommufd::test
