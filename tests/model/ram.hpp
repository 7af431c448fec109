#pragma once

#include <sluice/arch/event.hpp>
#include <sluice/base/atomic.hpp>
#include <sluice/base/check.hpp>
#include <sluice/model/bus.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace sluice::model::test {

// Memory from address 0, in 64-bit words, with planted aborts. Accesses beyond it abort.
class Ram final : public Bus {
public:
  explicit Ram(std::size_t bytes) : count_{bytes / 8}, words_{new base::DmaWord[bytes / 8]} {}

  std::uint64_t get(std::uint64_t address) const { return words_[address / 8].load(base::Order::acquire); }
  void put(std::uint64_t address, std::uint64_t value) { words_[address / 8].store(value, base::Order::release); }
  // Zeroed.
  std::uint64_t alloc(std::uint64_t bytes, std::uint64_t align = 4096) {
    next_ = (next_ + align - 1) & ~(align - 1);
    const std::uint64_t at = next_;
    next_ += bytes;
    base::check(next_ <= count_ * 8);
    return at;
  }
  // Accesses that touch the 8 bytes there abort, before any traffic begins.
  void plant(std::uint64_t address) { planted_.push_back(address & ~7ULL); }
  void heal() { planted_.clear(); }
  // The bus cannot do atomic updates.
  void forbid_exchanges() { no_exchanges_ = true; }
  // Somebody else gets in before the next one.
  void before_exchange(std::function<void()> action) { between_ = std::move(action); }
  // Called before each fetch of a descriptor, or of a word of a structure: what software does meanwhile.
  void before_fetch(std::function<void(std::uint64_t address)> action) { fetch_ = std::move(action); }
  std::uint32_t exchanges() const { return exchanges_.load(); }
  std::uint32_t pulses(Wire wire) const { return pulses_[static_cast<std::size_t>(wire)].load(); }

  std::uint32_t wfe_events() const { return wfe_events_.load(); }

  struct Message {
    BusAccess access{};
    std::uint32_t data{};
  };
  std::vector<Message> messages() const {
    const std::lock_guard guard{messages_lock_};
    return messages_;
  }

  bool read(const BusAccess& a, void* into) override {
    if (aborts(a.address, a.size)) {
      return false;
    }
    last_ = a;
    auto* bytes = static_cast<unsigned char*>(into);
    for (std::uint32_t i = 0; i < a.size; ++i) {
      bytes[i] = static_cast<unsigned char>(get((a.address + i) & ~7ULL) >> ((a.address + i) % 8 * 8));
    }
    return true;
  }
  bool write(const BusAccess& a, const void* from) override {
    if (aborts(a.address, a.size)) {
      return false;
    }
    last_ = a;
    const auto* bytes = static_cast<const unsigned char*>(from);
    for (std::uint32_t i = 0; i < a.size;) {
      const std::uint64_t at = a.address + i;
      const std::uint64_t shift = at % 8;
      const std::uint32_t n = std::min(static_cast<std::uint32_t>(8 - shift), a.size - i);
      std::uint64_t word = get(at & ~7ULL);
      std::memcpy(reinterpret_cast<unsigned char*>(&word) + shift, bytes + i, n);
      put(at & ~7ULL, word);
      i += n;
    }
    return true;
  }
  bool read64(std::uint64_t address, const Attributes& attributes, std::uint64_t& value) override {
    if (aborts(address, 8)) {
      return false;
    }
    if (fetch_) {
      fetch_(address);
    }
    fetch_attributes_ = attributes;
    if (watched_ == address) {
      watched_attributes_ = attributes;
    }
    value = get(address);
    return true;
  }
  bool compare_exchange64(std::uint64_t address, const Attributes&, std::uint64_t& expected,
                          std::uint64_t desired) override {
    if (aborts(address, 8) || no_exchanges_) {
      return false;
    }
    if (between_) {
      std::exchange(between_, nullptr)();
    }
    // A failed exchange leaves what was found in `expected`: the access itself was served.
    words_[address / 8].compare_exchange(expected, desired);
    exchanges_.fetch_add(1);
    return true;
  }
  bool message(const BusAccess& a, std::uint32_t data) override {
    const std::lock_guard guard{messages_lock_};
    if (aborts(a.address, a.size)) {
      return false;
    }
    messages_.push_back({a, data});
    return true;
  }
  AtcAnswer invalidate_atc(const AtcInvalidation& invalidation) override {
    if (behind != nullptr) {
      return behind->invalidate_atc(invalidation);
    }
    invalidations.push_back(invalidation);
    return answer;
  }
  bool atc_completed(std::uint32_t stream, std::uint8_t tag) override {
    return behind != nullptr ? behind->atc_completed(stream, tag) : std::erase(complete, tag) != 0;
  }
  void page_response(const PageResponse& response) override {
    behind != nullptr ? behind->page_response(response) : responses.push_back(response);
  }
  Bus* behind{}; // where endpoints are; else those of a test, for one thread:
  std::vector<AtcInvalidation> invalidations;
  AtcAnswer answer{AtcAnswer::completed};
  std::vector<std::uint8_t> complete; // tags that will be when asked after
  std::vector<PageResponse> responses;

  void send_event() override { wfe_events_.fetch_add(1); }
  void pulse(Wire wire) override { pulses_[static_cast<std::size_t>(wire)].fetch_add(1); }

  // Of the last access of a client (one thread only), and of the last descriptor or structure read.
  const BusAccess& last() const { return last_; }
  const Attributes& fetch_attributes() const { return fetch_attributes_; }
  // Of the last descriptor read there, since watch(). One thread only.
  void watch(std::uint64_t address) { watched_ = address; }
  const Attributes& watched_attributes() const { return watched_attributes_; }

private:
  bool aborts(std::uint64_t address, std::uint32_t size) const {
    if (address + size > count_ * 8) {
      return true;
    }
    return std::any_of(planted_.begin(), planted_.end(),
                       [&](std::uint64_t p) { return address < p + 8 && p < address + size; });
  }

  std::size_t count_;
  std::unique_ptr<base::DmaWord[]> words_;
  std::uint64_t next_{0x10000};
  std::vector<std::uint64_t> planted_;
  bool no_exchanges_{};
  std::function<void()> between_;
  std::function<void(std::uint64_t)> fetch_;
  base::Atomic<std::uint32_t> exchanges_{0};
  mutable std::mutex messages_lock_;
  std::vector<Message> messages_;
  std::array<base::Atomic<std::uint32_t>, 4> pulses_{};
  base::Atomic<std::uint32_t> wfe_events_{0};
  static inline thread_local std::uint64_t watched_{~0ULL};
  static inline thread_local Attributes watched_attributes_;
  static inline thread_local BusAccess last_;
  static inline thread_local Attributes fetch_attributes_;
};

} // namespace sluice::model::test
