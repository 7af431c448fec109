#include "client.hpp"
#include "../finding.hpp"

#include <sluice/uapi/vfio.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

namespace sluice::fuzz {

namespace v = uapi::vfio;

namespace {

constexpr machine::PciAddress engine{.device = 5};

machine::HostConfig config() {
  machine::HostConfig c;
  c.smmus.resize(2);
  for (auto& smmu : c.smmus) {
    smmu.features.substreamid_bits = 8;
    smmu.features.ats = true;
    smmu.features.httu = 2;
    smmu.features.stall_model = 0;
    smmu.features.stall_max = 16;
  }
  for (std::uint8_t n = 0; n < 2; ++n) {
    machine::FunctionConfig function;
    function.address = {.device = static_cast<std::uint8_t>(3 + n)};
    function.smmu = n;
    function.rng.name = n == 0 ? "rng0" : "rng1";
    function.rng.msix =
        n == 0 ? pcie::VirtioRngConfig::MsixCapability::none : pcie::VirtioRngConfig::MsixCapability::plain;
    c.functions.push_back(function);
  }
  c.engines.push_back({.address = engine, .engine = {.ats = {.capabilities = {.pasid_bits = 4}}}, .may_stall = true});
  return c;
}

// A call that failed has made nothing, and none is answered by a number that no program knows.
void check_answer(const char* what, std::uint32_t number, std::int64_t answer) {
  if (answer < -133 || answer > (1 << 20)) {
    finding("%s 0x%x answers %lld", what, number, static_cast<long long>(answer));
  }
}

} // namespace

World& World::get() {
  static World* const world = new World; // with threads, which end with the process
  return *world;
}

World::World() : host{config()}, memfd{memfd_create("client", 0)}, eventfd{::eventfd(0, EFD_NONBLOCK)} {
  if (memfd < 0 || eventfd < 0 || ftruncate(memfd, 16 * ClientPages::page) != 0) {
    finding("no descriptors");
  }
  host.set_iommufds(*this);
}

base::Result<std::shared_ptr<iommufd::Context>> World::find_context(int fd) {
  const auto n = static_cast<unsigned>(fd - first_iommufd);
  if (n < contexts.size() && contexts[n] != nullptr) {
    return contexts[n];
  }
  return fd == eventfd ? base::Errc::wrong_descriptor : base::Errc::bad_descriptor;
}

void Client::run() {
  const auto before = world_.host.port().memory.counts();
  open();
  for (unsigned n = 0; n < most_steps && !input_.empty(); ++n) {
    step();
  }
  close_everything();
  const auto answered = [&] { return follow_up(), stalled_.empty(); };
  if (!platform::wait_until(world_.host.port().time, 5'000'000, answered)) {
    finding("%zu transactions wait for an answer that nobody gives", stalled_.size());
  }
  world_.host.port().sync.reclaim();
  const auto account = world_.host.account();
  if (account.contexts + account.objects + account.windows + account.vectors != 0) {
    finding("left behind: %llu contexts, %llu objects, %llu windows, %llu vectors",
            static_cast<unsigned long long>(account.contexts), static_cast<unsigned long long>(account.objects),
            static_cast<unsigned long long>(account.windows), static_cast<unsigned long long>(account.vectors));
  }
  if (account.stale() != 0) {
    finding("a cached translation that the tables do not bear out");
  }
  const auto after = world_.host.port().memory.counts();
  if (after.live() > before.live()) {
    finding("left behind by the driver: %llu blocks, %llu bytes of tables, %llu bytes of objects",
            static_cast<unsigned long long>(after.live() - before.live()),
            static_cast<unsigned long long>(after.dma_bytes - before.dma_bytes),
            static_cast<unsigned long long>(after.plain_bytes - before.plain_bytes));
  }
}

void Client::open() {
  world_.memory.renew();
  for (auto& context : world_.contexts) {
    context = world_.host.open_iommufd();
  }
  for (unsigned n = 0; n < world_.host.functions(); ++n) {
    files_[n] = world_.host.open_device(n);
  }
  files_[2] = world_.host.open_engine(0);
}

void Client::close_everything() {
  world_.host.port().memory.fail(0);
  for (auto& file : files_) {
    file.reset();
  }
  const bool early = input_.flag(); // a descriptor of a queue keeps the queue, but not beyond its context
  for (int fd : descriptors_) {
    if (early) {
      ::close(fd);
    }
  }
  for (auto& context : world_.contexts) {
    if (context.use_count() != 1) {
      finding("%ld hold a context that all files have let go", context.use_count());
    }
    context.reset();
  }
  for (int fd : descriptors_) {
    if (!early) {
      ::close(fd);
    }
  }
}

void Client::step() {
  switch (const auto kind = input_.byte(); kind % 16) {
  default:
    return call_iommufd();
  case 8:
    return access_memory();
  case 9:
  case 10:
  case 11:
    return call_vfio();
  case 12:
    return set_irqs();
  case 13:
    return access_device();
  case 14:
    return use_descriptor();
  case 15:
    return change_memory();
  }
}

void Client::call_iommufd() {
  const auto layouts = iommufd_layouts();
  const auto chosen = input_.byte();
  which_ = chosen >= 224 ? 1 : 0;
  const Layout& layout = layouts[chosen % layouts.size()];
  const auto objects = context().objects();
  const auto pointer = put(layout);
  const auto number = input_.one_in(64) ? static_cast<std::uint32_t>(input_.bytes(2)) : layout.number;
  const int answer = context().ioctl(number, pointer);
  check_answer("iommufd", number, answer);
  if (answer > 0) {
    finding("iommufd 0x%x answers %d", number, answer);
  }
  if (answer != 0 && context().objects() != objects) {
    finding("iommufd 0x%x failed with %d and there are %zu objects, not %zu", number, answer, context().objects(),
            objects);
  }
  if (answer == 0 && pointer == world_.memory.address(structure_at)) {
    harvest(layout);
  }
}

void Client::call_vfio() {
  auto& used = file();
  if (input_.one_in(16)) { // a new open of the same device, while the old one may still be bound
    const auto n = static_cast<std::size_t>(&used - files_.data());
    auto next = n == 2 ? world_.host.open_engine(0) : world_.host.open_device(static_cast<unsigned>(n));
    used = std::move(next);
    return;
  }
  if (input_.one_in(16)) {
    check_answer("vfio reset", v::device_reset, used->ioctl(v::device_reset, 0));
    return;
  }
  const auto layouts = vfio_layouts();
  const Layout& layout = layouts[input_.below(layouts.size())];
  const auto pointer = put(layout);
  const int answer = used->ioctl(layout.number, pointer);
  check_answer("vfio", layout.number, answer);
  if (answer == 0 && pointer == world_.memory.address(structure_at)) {
    harvest(layout);
  }
}

// With eventfds, or whatever the input says, behind the structure.
void Client::set_irqs() {
  auto& used = file();
  const auto count = static_cast<std::uint32_t>(input_.below(8));
  v::IrqSet set;
  set.flags = 1U << input_.below(3) | 8U << input_.below(3);
  set.index = static_cast<std::uint32_t>(input_.below(6));
  set.start = static_cast<std::uint32_t>(input_.one_in(8) ? input_.below(5) : 0);
  set.count = input_.one_in(16) ? static_cast<std::uint32_t>(input_.bytes(4)) : count;
  const unsigned each = (set.flags & v::irq_set_data_eventfd) != 0 ? 4
                        : (set.flags & v::irq_set_data_bool) != 0  ? 1
                                                                   : 0;
  set.argsz =
      static_cast<std::uint32_t>(sizeof set + (input_.one_in(16) ? input_.below(64) : std::uint64_t{each} * count));
  if (input_.one_in(16)) {
    set.flags = static_cast<std::uint32_t>(input_.bytes(1));
  }
  std::byte* const at = world_.memory.at(structure_at);
  __builtin_memcpy(at, &set, sizeof set);
  for (std::uint32_t n = 0; n < count; ++n) {
    const std::int32_t fd = input_.one_in(8) ? -1 : world_.eventfd;
    __builtin_memcpy(at + sizeof set + std::size_t{n} * 4, &fd, sizeof fd);
  }
  check_answer("set_irqs", set.index, used->ioctl(v::device_set_irqs, world_.memory.address(structure_at)));
}

void Client::access_device() {
  auto& used = file();
  constexpr std::uint64_t counts[] = {1, 2, 4, 8, 3, 0, 64, 4097};
  const auto count = counts[input_.below(std::size(counts))];
  const auto region = input_.one_in(16) ? input_.bytes(2) : std::array{0U, 1U, 2U, 4U, 7U, 7U, 7U, 9U}[input_.below(8)];
  const auto offset = region << v::region_shift | (input_.one_in(16) ? input_.bytes(5) : input_.bytes(2) & 0xfff);
  const auto buffer = data();
  const auto answer = input_.flag() ? used->pread(buffer, count, offset) : used->pwrite(buffer, count, offset);
  check_answer("an access to a device", static_cast<std::uint32_t>(offset), answer);
  if (answer > static_cast<std::int64_t>(count)) {
    finding("%lld bytes moved of %llu", static_cast<long long>(answer), static_cast<unsigned long long>(count));
  }
}

// Reads, answers or closes a queue.
void Client::use_descriptor() {
  if (descriptors_.empty()) {
    return;
  }
  const auto n = input_.below(descriptors_.size());
  const int fd = descriptors_[n];
  const auto link = world_.host.queues().find(fd);
  const auto count = input_.below(256);
  std::array<std::byte, 256> bytes{};
  switch (input_.below(4)) {
  case 0:
  case 1:
    if (link != nullptr) {
      check_answer("a read of a queue", 0, link->read(fd, data(), count));
    } else {
      static_cast<void>(!::read(fd, bytes.data(), count));
    }
    break;
  case 2: // a cookie counts from 1
    if (link != nullptr) {
      const std::array<std::uint32_t, 2> response{static_cast<std::uint32_t>(input_.below(6)), input_.byte() % 4U};
      const auto at = data();
      if (at == world_.memory.address(data_at)) {
        __builtin_memcpy(world_.memory.at(data_at), response.data(), sizeof response);
      }
      check_answer("an answer", response[0], link->write(at, input_.one_in(8) ? count : sizeof response));
    }
    break;
  default:
    ::close(fd);
    descriptors_.erase(descriptors_.begin() + static_cast<std::ptrdiff_t>(n));
  }
}

void Client::access_memory() {
  follow_up();
  if (stalled_.size() >= most_stalled) {
    return;
  }
  model::Request request{.stream_id = engine.requester(), .address = iova() & ~7ULL, .size = 8, .write = input_.flag()};
  if (const auto pasid = input_.below(8); pasid != 0) {
    request.substream_id = static_cast<std::uint32_t>(pasid);
  }
  std::uint64_t word = 0x5a;
  const auto events = [&] { return world_.host.account().smmus[0].driver.events; };
  const auto before = events();
  const auto outcome = port_.access(request, &word);
  if (outcome.kind == model::Outcome::Kind::stalled) {
    stalled_.push_back(outcome.stall);
  }
  if (outcome.recorded) { // the driver's thread has it before the program goes on, so that inputs repeat
    static_cast<void>(platform::wait_until(world_.host.port().time, 1'000'000, [&] { return events() != before; }));
  }
}

void Client::follow_up() {
  std::uint64_t word = 0;
  std::erase_if(stalled_, [&](std::uint16_t stall) {
    return port_.follow_up(stall, &word).kind != model::Outcome::Kind::stalled;
  });
}

void Client::change_memory() {
  if (input_.flag()) {
    world_.memory.remove(input_.byte());
  } else { // one of the next allocations of the driver's fails
    world_.host.port().memory.fail(input_.below(16), input_.below(4));
  }
}

} // namespace sluice::fuzz
