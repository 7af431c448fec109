#include <sluice/scenario/machine_file_json.hpp>

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace sluice::scenario::machine_file {

void fail(const Pointer& at, const std::string& what) {
  const std::string where = at.to_string();
  throw MachineFileError{fmt::format("{}: {}", where.empty() ? "/" : where, what)};
}

void expected_text(const Pointer& at, const Json& found, const std::string& what) {
  std::string shown = found.dump();
  constexpr std::size_t enough = 60;
  if (shown.size() > enough) {
    shown = shown.substr(0, enough) + "...";
  }
  fail(at, fmt::format("expected {}, found {}", what, shown));
}

Object::Object(const Json& value, Pointer at) : value_{value}, at_{std::move(at)} {
  if (!value.is_object()) {
    expected(at_, value, "an object");
  }
}

const Json* Object::find(std::string_view key) {
  known_.emplace_back(key);
  const auto found = value_.find(std::string{key});
  return found == value_.end() ? nullptr : &*found;
}

const Json& Object::get(std::string_view key) {
  const Json* found = find(key);
  if (found == nullptr) {
    fail(at_, fmt::format("the key \"{}\" is missing", key));
  }
  return *found;
}

void Object::finish() const {
  for (const auto& [key, value] : value_.items()) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
      fail(at(key), fmt::format("there is no such key; expected one of {}", fmt::join(known_, ", ")));
    }
  }
}

const Json& array(const Json& value, const Pointer& at, Between entries) {
  if (!value.is_array() || value.size() < entries.least || value.size() > entries.most) {
    expected(at, value, "an array of {} to {} entries", entries.least, entries.most);
  }
  return value;
}

std::uint64_t number(const Json& value, const Pointer& at, std::uint64_t most) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most) {
    expected(at, value, "a whole number from 0 to {}", most);
  }
  return value.get<std::uint64_t>();
}

std::string text(const Json& value, const Pointer& at, std::string_view what) {
  if (!value.is_string()) {
    expected(at, value, "{}", what);
  }
  return value.get<std::string>();
}

machine::PciAddress pci_address(const Json& value, const Pointer& at) {
  const auto parsed = machine::parse_pci_address(value.is_string() ? value.get<std::string>() : "");
  if (!parsed) {
    expected(at, value, "domain:bus:device.function as in \"0000:00:03.0\"");
  }
  return *parsed;
}

Json parse(std::string_view from) {
  std::vector<std::set<std::string>> keys;
  const Json::parser_callback_t look = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) {
      keys.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      keys.pop_back();
    } else if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
      throw MachineFileError{fmt::format("the key {} is there twice in one object", parsed.dump())};
    }
    return true;
  };
  try {
    return Json::parse(from.begin(), from.end(), look);
  } catch (const Json::parse_error& error) {
    const std::string_view before = from.substr(0, std::min<std::size_t>(from.size(), error.byte));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    throw MachineFileError{fmt::format("line {}: this is no JSON: {}", line, error.what())};
  }
}

} // namespace sluice::scenario::machine_file
