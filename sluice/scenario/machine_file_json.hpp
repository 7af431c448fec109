#pragma once

#include <sluice/scenario/machine_file.hpp>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// How a machine file is read: JSON, each error with its place. For the files that make up machine_file.hpp.
namespace sluice::scenario::machine_file {

using Json = nlohmann::json;
using Pointer = Json::json_pointer;

[[noreturn]] void fail(const Pointer& at, const std::string& what);
[[noreturn]] void expected_text(const Pointer& at, const Json& found, const std::string& what);
template <class... T>
[[noreturn]] void expected(const Pointer& at, const Json& found, fmt::format_string<T...> what, T&&... values) {
  expected_text(at, found, fmt::format(what, std::forward<T>(values)...));
}

// One object of the file: a key that nobody takes is an unknown one.
class Object {
public:
  Object(const Json& value, Pointer at);

  const Pointer& at() const { return at_; }
  Pointer at(std::string_view key) const { return at_ / std::string{key}; }
  // Null: it is not there.
  const Json* find(std::string_view key);
  const Json& get(std::string_view key);
  // After the last find().
  void finish() const;

private:
  const Json& value_;
  Pointer at_;
  std::vector<std::string> known_;
};

// What `value` has to be.
struct Between {
  std::size_t least{};
  std::size_t most{};
};
const Json& array(const Json& value, const Pointer& at, Between entries);
std::uint64_t number(const Json& value, const Pointer& at, std::uint64_t most);
std::string text(const Json& value, const Pointer& at, std::string_view what);
machine::PciAddress pci_address(const Json& value, const Pointer& at);

// As the library reads it, but no key twice in one object.
Json parse(std::string_view from);

} // namespace sluice::scenario::machine_file
