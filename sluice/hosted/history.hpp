#pragma once

#include <sluice/hosted/actor.hpp>

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

namespace sluice::hosted {

// The last operations of a run, to be read by people.
class History {
public:
  enum class Kind : std::uint8_t { load, store, reaches_memory, update, fence, mmio_store, reaches_device, mmio_load };

  struct Step {
    ActorId actor{};
    Kind kind{};
    const void* at{};
    std::uint64_t value{};
    std::memory_order order{std::memory_order_relaxed};
  };

  explicit History(std::size_t capacity) : capacity_{capacity} {}

  void add(const Step& step);
  // What an address is called; others get a number.
  void name(const void* at, std::string name) { names_[at] = std::move(name); }
  void name(ActorId actor, std::string name) { actors_[actor] = std::move(name); }
  // One line for each step, the last one last.
  std::string text();

private:
  std::string line(std::uint64_t number, const Step& step);
  const std::string& name_of(const void* at);

  const std::size_t capacity_;
  std::deque<Step> steps_;
  std::uint64_t total_{0};
  std::map<const void*, std::string> names_;
  std::map<ActorId, std::string> actors_;
};

} // namespace sluice::hosted
