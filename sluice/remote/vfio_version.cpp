#include <sluice/remote/vfio_user.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <string>

// How client and server agree on a version and on what they can.
namespace sluice::remote {

using base::Errc;
using base::Status;

namespace {

// Deeper than any version data.
constexpr int deepest = 8;

bool well_formed(const std::string& text) {
  int depth = 0;
  for (const char c : text) {
    depth += c == '{' || c == '[' ? 1 : 0;
    depth -= c == '}' || c == ']' ? 1 : 0;
    if (depth > deepest) {
      return false;
    }
  }
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) {
    return false;
  }
  const auto capabilities = json.find("capabilities");
  return capabilities == json.end() || capabilities->is_object();
}

} // namespace

// The text may be left out. Of what the client can, nothing is used.
Status VfioUser::agree(Bytes payload, std::vector<std::byte>& reply) {
  vfio_user::Version version;
  if (payload.size() < sizeof version) {
    return Errc::invalid_argument;
  }
  std::memcpy(&version, payload.data(), sizeof version);
  if (version.major != 0) {
    return Errc::unsupported;
  }
  const Bytes text = payload.subspan(sizeof version);
  if (!text.empty()) {
    const auto* const begin = reinterpret_cast<const char*>(text.data());
    const auto* const end = std::find(begin, begin + text.size(), '\0');
    if (end == begin + text.size() || !well_formed({begin, end})) {
      return Errc::invalid_argument;
    }
  }
  const nlohmann::json ours = {
      {"capabilities",
       {{"max_msg_fds", 8}, {"max_data_xfer_size", vfio_user::most_data}, {"max_dma_maps", vfio_user::most_maps}}}};
  const vfio_user::Version answer{0, std::min<std::uint16_t>(version.minor, 1)};
  const std::string words = ours.dump();
  reply.resize(sizeof answer + words.size() + 1);
  std::memcpy(reply.data(), &answer, sizeof answer);
  std::memcpy(reply.data() + sizeof answer, words.c_str(), words.size() + 1);
  agreed_ = true;
  return {};
}

} // namespace sluice::remote
