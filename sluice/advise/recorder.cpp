#include <sluice/advise/recorder.hpp>

#include <sluice/advise/calls.hpp>
#include <sluice/uapi/errno.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace sluice::advise {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t most_data = 4096; // bytes that a line shows

std::string hex(std::uint64_t value) {
  std::array<char, 19> text{};
  std::snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(value));
  return text.data();
}

Json fields(const CallName& call, std::span<const std::byte> structure, Field::Way other) {
  Json result = Json::object();
  for (const Field& field : call.fields) {
    if (field.way != other && field.offset + field.size <= structure.size()) {
      const auto v = value(structure, field);
      result[std::string{field.name}] = field.size == sizeof v ? Json(hex(v)) : Json(v);
    }
  }
  return result;
}

std::uint32_t word(std::span<const std::byte> structure, std::size_t at) {
  return static_cast<std::uint32_t>(value(structure, {.offset = at, .size = sizeof(std::uint32_t)}));
}

// Words of 64 bits, and bytes where something is left.
Json words(std::span<const std::byte> bytes) {
  Json result = Json::array();
  for (; !bytes.empty(); bytes = bytes.subspan(std::min<std::size_t>(8, bytes.size()))) {
    std::uint64_t v = 0;
    std::memcpy(&v, bytes.data(), std::min(sizeof v, bytes.size()));
    result.push_back(hex(v));
  }
  return result;
}

Json data_of(iommufd::Caller& caller, const Beyond& beyond, const iommufd::CallRecord& call) {
  const auto pointer = value(call.request, {.offset = beyond.pointer, .size = sizeof(std::uint64_t)});
  const std::uint64_t unit = beyond.unit != 0 ? beyond.unit : word(call.request, beyond.unit_at);
  std::uint64_t count = word(call.request, beyond.count);
  if (beyond.out) {
    count = std::min<std::uint64_t>(count, word(call.answer, beyond.count));
  }
  std::vector<std::byte> bytes(std::min(count * unit, most_data));
  if (bytes.empty() || pointer == 0) {
    return nullptr;
  }
  return caller.read(pointer, bytes) ? words(bytes) : Json("cannot be read");
}

Json begin(std::uint64_t n, const char* kind, std::uint64_t which, const CallName* name, std::uint32_t number) {
  return {{"n", n}, {kind, which}, {"call", name != nullptr ? Json(name->name) : Json(hex(number))}};
}

const char* errno_name(int number) {
  const char* const name = strerrorname_np(number);
  return name != nullptr ? name : "?";
}

} // namespace

void Recorder::record(std::uint64_t context, const iommufd::CallRecord& call) {
  const CallName* const name = find_call(call.number);
  Json line = begin(count_.fetch_add(1) + 1, "iommufd", context, name, call.number);
  if (name != nullptr) {
    line["request"] = fields(*name, call.request, Field::Way::out);
    if (name->beyond != nullptr) {
      if (auto data = data_of(caller_, *name->beyond, call); !data.is_null()) {
        line["data"] = std::move(data);
      }
    }
    line["answer"] = fields(*name, call.answer, Field::Way::in);
  }
  if (!call.status) {
    line["errno"] = errno_name(static_cast<int>(uapi::to_errno(call.status.error())));
  }
  sink_(line.dump() + "\n");
}

void Recorder::record_device(std::uint64_t device, std::uint32_t number, std::span<const std::byte> request,
                             std::span<const std::byte> answer, int error) {
  const CallName* const name = find_device_call(number);
  Json line = begin(count_.fetch_add(1) + 1, "vfio", device, name, number);
  if (name != nullptr && !name->fields.empty()) {
    line["request"] = fields(*name, request, Field::Way::out);
    line["answer"] = fields(*name, answer, Field::Way::in);
  }
  if (error != 0) {
    line["errno"] = errno_name(error);
  }
  sink_(line.dump() + "\n");
}

} // namespace sluice::advise
