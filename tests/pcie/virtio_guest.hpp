#pragma once

#include <sluice/hosted/free.hpp>
#include <sluice/hosted/sync.hpp>
#include <sluice/pcie/virtio_rng.hpp>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <vector>

namespace sluice::pcie {

// Memory in which aligned words are single-copy atomic.
class Ram {
public:
  explicit Ram(std::size_t size) : bytes_(size) {}

  void read(std::uint64_t at, void* into, std::size_t size) const {
    by_words(at, size, [&](std::size_t done, auto word) {
      word = __atomic_load_n(reinterpret_cast<const decltype(word)*>(&bytes_[at + done]), __ATOMIC_RELAXED);
      std::memcpy(static_cast<std::byte*>(into) + done, &word, sizeof word);
    });
  }
  void write(std::uint64_t at, const void* from, std::size_t size) {
    by_words(at, size, [&](std::size_t done, auto word) {
      std::memcpy(&word, static_cast<const std::byte*>(from) + done, sizeof word);
      __atomic_store_n(reinterpret_cast<decltype(word)*>(&bytes_[at + done]), word, __ATOMIC_RELAXED);
    });
  }

private:
  template <class F>
  static void by_words(std::uint64_t at, std::size_t size, F f) {
    for (std::size_t done = 0; done < size;) {
      const std::uint64_t next = at + done;
      const std::size_t left = size - done;
      if (next % 8 == 0 && left >= 8) {
        f(done, std::uint64_t{});
        done += 8;
      } else if (next % 4 == 0 && left >= 4) {
        f(done, std::uint32_t{});
        done += 4;
      } else if (next % 2 == 0 && left >= 2) {
        f(done, std::uint16_t{});
        done += 2;
      } else {
        f(done, std::uint8_t{});
        ++done;
      }
    }
  }

  std::vector<std::byte> bytes_;
};

// Memory behind an SMMU that maps it one to one, but for some pages.
class FakeMaster final : public Master {
public:
  static constexpr std::uint64_t page = 4096;
  static constexpr std::uint64_t size = 1 << 20;

  model::Transfer transfer(const model::Request& request, void* data, std::uint64_t length) override {
    ++requests;
    streams.push_back(request.stream_id);
    model::Transfer result;
    while (result.done < length) {
      const std::uint64_t at = request.address + result.done;
      if (at >= size || unmapped.contains(at / page)) {
        result.outcome.kind = model::Outcome::Kind::aborted;
        result.outcome.event = arch::EventType::F_TRANSLATION;
        result.outcome.recorded = true;
        break;
      }
      const std::uint64_t piece = std::min(length - result.done, page - at % page);
      std::byte* const bytes = static_cast<std::byte*>(data) + result.done;
      request.write ? ram.write(at, bytes, piece) : ram.read(at, bytes, piece);
      result.done += piece;
    }
    return result;
  }
  void unmap(std::uint64_t iova) { unmapped.insert(iova / page); }
  template <class T>
  T get(std::uint64_t at) const {
    T value;
    ram.read(at, &value, sizeof value);
    return value;
  }
  template <class T>
  void put(std::uint64_t at, T value) {
    ram.write(at, &value, sizeof value);
  }
  std::string text(std::uint64_t at, std::size_t length) const {
    std::string out(length, '\0');
    ram.read(at, out.data(), length);
    return out;
  }

  Ram ram{size};
  unsigned requests{};
  std::vector<std::uint32_t> streams;

private:
  std::set<std::uint64_t> unmapped;
};

class Wire final : public Intx {
public:
  void assert_line() override {
    level = true;
    ++edges;
  }
  void deassert_line() override { level = false; }

  bool level{};
  unsigned edges{};
};

// A driver of an entropy source, register by register as Linux's is.
class Guest {
public:
  static constexpr std::uint64_t descriptors = 0x1000;
  static constexpr std::uint64_t driver = 0x2000;
  static constexpr std::uint64_t device = 0x3000;
  static constexpr std::uint64_t buffers = 0x8000;
  static constexpr std::uint16_t size = 64;

  explicit Guest(VirtioRngConfig::MsixCapability msix = VirtioRngConfig::MsixCapability::none)
      : rng{{.name = "test", .msix = msix}, {.requester = 0x900, .stream = 0x900}, sync} {
    rng.connect_intx(&wire);
  }

  void enable_bus_master() {
    rng.config_write(config::command, 2, config::command_memory_space | config::command_bus_master);
  }
  std::uint64_t common(std::uint64_t offset, unsigned width) { return rng.region_read(0, offset, width); }
  void set_common(std::uint64_t offset, unsigned width, std::uint64_t value) {
    rng.region_write(0, offset, width, value);
  }
  std::uint8_t status() { return static_cast<std::uint8_t>(common(virtio::common::device_status, 1)); }
  void set_status(std::uint8_t value) { set_common(virtio::common::device_status, 1, value); }
  std::uint8_t isr() { return static_cast<std::uint8_t>(rng.region_read(0, VirtioRng::isr_at, 1)); }
  void notify() { rng.region_write(0, VirtioRng::notify_at, 2, 0); }

  void accept_features(std::uint64_t optional = 0) {
    set_status(1);
    set_status(3);
    set_common(virtio::common::driver_feature_select, 4, 0);
    set_common(virtio::common::driver_feature, 4, optional);
    set_common(virtio::common::driver_feature_select, 4, 1);
    set_common(virtio::common::driver_feature, 4, 3);
    set_status(0xb);
  }
  void set_queue() {
    using namespace virtio::common;
    for (const auto& [field, address] :
         {std::pair{queue_desc, descriptors}, {queue_driver, driver}, {queue_device, device}}) {
      set_common(field, 4, address);
      set_common(field + 4, 4, address >> 32);
    }
    set_common(queue_enable, 2, 1);
  }
  void start(std::uint64_t optional = 0) {
    enable_bus_master();
    accept_features(optional);
    set_queue();
    set_status(0xf);
  }

  void describe(std::uint16_t index, std::uint64_t address, std::uint32_t length, std::uint16_t flags,
                std::uint16_t next = 0) {
    describe_at(descriptors, index, address, length, flags, next);
  }
  void describe_at(std::uint64_t table, std::uint16_t index, std::uint64_t address, std::uint32_t length,
                   std::uint16_t flags, std::uint16_t next = 0) {
    memory.put(table + 16u * index, address);
    memory.put(table + 16u * index + 8, length);
    memory.put(table + 16u * index + 12, flags);
    memory.put(table + 16u * index + 14, next);
  }
  void make_available(std::uint16_t head) {
    memory.put(driver + 4 + 2u * (available % size), head);
    memory.put(driver + 2, ++available);
  }
  // One writable buffer of 64 bytes, as virtio_rng has it.
  void offer(std::uint32_t length = 64) {
    describe(0, buffers, length, virtio::descriptor_write);
    make_available(0);
    notify();
  }
  void run() {
    while (rng.run(memory)) {
    }
  }
  std::uint16_t used() const { return memory.get<std::uint16_t>(device + 2); }

  hosted::FreeSchedule schedule;
  hosted::Sync sync{schedule};
  FakeMaster memory;
  Wire wire;
  VirtioRng rng;
  std::uint16_t available{};
};

} // namespace sluice::pcie
