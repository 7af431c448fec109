#pragma once

#include <cstddef>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

// Which of the conditions that docs/model.md lists the test in hand has met.
namespace sluice::model::test {

// The compiler's own spelling of an enumerator, empty where there is none.
template <auto E>
std::string spelling() {
  const std::string text = __PRETTY_FUNCTION__;
  const auto start = text.find("E = ") + 4;
  const std::string value = text.substr(start, text.find_first_of(";]", start) - start);
  const auto at = value.rfind("::");
  return value.find('(') != value.npos || at == value.npos ? "" : value.substr(at + 2);
}
template <class Enum, std::size_t... I>
std::vector<std::string> spellings(std::index_sequence<I...>) {
  return {spelling<static_cast<Enum>(I)>()...};
}
template <class Enum>
const std::vector<std::string>& spellings() {
  static const auto all = spellings<Enum>(std::make_index_sequence<64>{});
  return all;
}

class Raised {
public:
  static void add(std::string id) {
    const std::lock_guard guard{lock_};
    ids_.insert(std::move(id));
  }
  static std::set<std::string> take() {
    const std::lock_guard guard{lock_};
    return std::exchange(ids_, {});
  }

private:
  static inline std::mutex lock_;
  static inline std::set<std::string> ids_;
};

template <class Enum>
void raised(const std::string& prefix, Enum value) {
  const auto at = static_cast<std::size_t>(value);
  if (at < spellings<Enum>().size()) {
    Raised::add(prefix + spellings<Enum>()[at]);
  }
}

} // namespace sluice::model::test
