#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace sluice::model {

// A direct-mapped cache of configuration structures as they were fetched, valid or not (3.21.3).
template <class Value>
class ConfigCache {
public:
  explicit ConfigCache(unsigned entries) : entries_(entries) {}

  const Value* find(std::uint64_t key) const {
    const Entry& e = entries_[slot(key)];
    return e.used && e.key == key ? &e.value : nullptr;
  }
  template <class Do>
  void each(Do action) const {
    for (const Entry& e : entries_) {
      if (e.used) {
        action(e.key, e.value);
      }
    }
  }
  template <class Do>
  void each(Do action) {
    for (Entry& e : entries_) {
      if (e.used) {
        action(e.key, e.value);
      }
    }
  }
  const Value& insert(std::uint64_t key, const Value& value) {
    Entry& e = entries_[slot(key)];
    e = {true, key, value};
    return e.value;
  }
  template <class Matches>
  void erase_if(Matches matches) {
    for (Entry& e : entries_) {
      if (e.used && matches(e.key, e.value)) {
        e.used = false;
      }
    }
  }
  void erase(std::uint64_t key) {
    Entry& e = entries_[slot(key)];
    e.used = e.used && e.key != key;
  }
  void clear() {
    for (Entry& e : entries_) {
      e.used = false;
    }
  }

private:
  struct Entry {
    bool used{};
    std::uint64_t key{};
    Value value{};
  };

  std::size_t slot(std::uint64_t key) const {
    return static_cast<std::size_t>(key ^ key >> 29 ^ key >> 41) & (entries_.size() - 1);
  }

  std::vector<Entry> entries_;
};

} // namespace sluice::model
