#include <sluice/remote/vhost_user.hpp>

#include <sluice/remote/wire.hpp>

#include <fcntl.h>

#include <bit>

namespace sluice::remote {

using base::Errc;
using base::Status;
using hosted::Fd;
using vhost::Request;

namespace {

bool wraps(std::uint64_t address, std::uint64_t size) { return address + size < address; }

} // namespace

VhostUser::Answer VhostUser::handle(const vhost::Header& header, std::span<const std::byte> payload,
                                    std::vector<Fd> fds) {
  constexpr std::uint32_t known = vhost::version_mask | vhost::flag_need_reply;
  if ((header.flags & vhost::version_mask) != vhost::version || (header.flags & ~known) != 0 ||
      header.size != payload.size()) {
    return {.status = Errc::protocol};
  }
  std::vector<std::byte> data;
  Answer answer{.status = dispatch(header, payload, fds, data)};
  const bool acknowledged =
      (header.flags & vhost::flag_need_reply) != 0 && (protocol_ & vhost::protocol_reply_ack) != 0;
  if (data.empty() && acknowledged) {
    append(data, std::uint64_t{answer.status ? 0U : 1U});
  }
  if (!data.empty()) {
    append(answer.reply,
           vhost::Header{header.request, vhost::version | vhost::flag_reply, static_cast<std::uint32_t>(data.size())});
    answer.reply.insert(answer.reply.end(), data.begin(), data.end());
  }
  return answer;
}

Status VhostUser::dispatch(const vhost::Header& header, std::span<const std::byte> payload, std::vector<Fd>& fds,
                           std::vector<std::byte>& reply) {
  const auto number = whole<std::uint64_t>(payload);
  const auto state = whole<vhost::VringState>(payload);
  switch (header.request) {
  case Request::get_features:
    append(reply, device_.features() | vhost::feature_protocol_features);
    return {};
  case Request::get_protocol_features:
    append(reply, vhost::protocol_reply_ack | vhost::protocol_backend_req);
    return {};
  case Request::set_owner:
  case Request::reset_owner: // no longer in use, and without effect
    return {};
  case Request::set_features:
    return number ? set_features(*number) : Errc::protocol;
  case Request::set_protocol_features:
    return number ? set_protocol_features(*number) : Errc::protocol;
  case Request::set_mem_table:
    return set_mem_table(payload, fds.size());
  case Request::set_vring_num:
  case Request::set_vring_base:
  case Request::set_vring_enable:
    return state ? set_vring(header.request, *state) : Errc::protocol;
  case Request::get_vring_base:
    if (!state || state->index != 0) {
      return state ? Errc::invalid_argument : Errc::protocol;
    }
    append(reply, vhost::VringState{0, stop()});
    return {};
  case Request::set_vring_addr: {
    const auto address = whole<vhost::VringAddress>(payload);
    return address ? set_address(*address) : Errc::protocol;
  }
  case Request::set_vring_kick:
  case Request::set_vring_call:
  case Request::set_vring_err:
    return number ? set_eventfd(header.request, *number, fds) : Errc::protocol;
  case Request::set_backend_req_fd:
    if (fds.size() != 1) {
      return Errc::protocol;
    }
    requests_ = std::move(fds[0]);
    return {};
  }
  return Errc::protocol;
}

Status VhostUser::set_features(std::uint64_t features) {
  const std::uint64_t offered = device_.features() | vhost::feature_protocol_features;
  if ((features & ~offered) != 0 || (features & pcie::virtio::version_1) == 0) {
    return Errc::unsupported;
  }
  if (running_ && features != features_) {
    return Errc::busy;
  }
  features_ = features;
  enabled_ = enabled_ || (features & vhost::feature_protocol_features) == 0; // without them there is no such message
  look();
  return {};
}

Status VhostUser::set_protocol_features(std::uint64_t features) {
  if ((features & ~(vhost::protocol_reply_ack | vhost::protocol_backend_req)) != 0) {
    return Errc::unsupported;
  }
  protocol_ = features;
  return {};
}

Status VhostUser::set_mem_table(std::span<const std::byte> payload, std::size_t fds) {
  if (payload.size() < sizeof(vhost::MemTable)) {
    return Errc::protocol;
  }
  const auto table = *front<vhost::MemTable>(payload);
  const auto list = payload.subspan(sizeof table);
  if (table.count > vhost::most_regions || list.size() != table.count * sizeof(vhost::Region) || fds != table.count) {
    return Errc::protocol;
  }
  std::vector<vhost::Region> regions(table.count);
  for (std::size_t i = 0; i < regions.size(); ++i) {
    regions[i] = *front<vhost::Region>(list.subspan(i * sizeof(vhost::Region)));
    const vhost::Region& r = regions[i];
    if (r.size == 0 || wraps(r.guest_address, r.size) || wraps(r.user_address, r.size) ||
        wraps(r.file_offset, r.size)) {
      return Errc::invalid_argument;
    }
  }
  regions_ = std::move(regions);
  return {};
}

Status VhostUser::set_vring(Request request, const vhost::VringState& state) {
  if (state.index != 0) {
    return Errc::invalid_argument;
  }
  if (request == Request::set_vring_enable) {
    if (state.value > 1 || (features_ & vhost::feature_protocol_features) == 0) {
      return Errc::invalid_argument;
    }
    enabled_ = state.value != 0;
    look();
    return {};
  }
  if (running_) {
    return Errc::busy;
  }
  if (request == Request::set_vring_base) {
    if (state.value > 0xffff) {
      return Errc::invalid_argument;
    }
    next_ = static_cast<std::uint16_t>(state.value);
    return {};
  }
  if (state.value > device_.largest_queue()) {
    return Errc::too_large;
  }
  if (!std::has_single_bit(state.value)) { // virtio 1.2, 2.7
    return Errc::invalid_argument;
  }
  layout_.size = static_cast<std::uint16_t>(state.value);
  placed_ = false; // its rings have another length
  return {};
}

// virtio 1.2, 2.7: the three parts with their lengths and alignments.
Status VhostUser::set_address(const vhost::VringAddress& address) {
  if (address.index != 0 || layout_.size == 0) {
    return Errc::invalid_argument;
  }
  if (running_) {
    return Errc::busy;
  }
  const std::uint64_t size = layout_.size;
  const auto descriptors = to_guest(address.descriptors, 16 * size);
  const auto available = to_guest(address.available, 6 + 2 * size);
  const auto used = to_guest(address.used, 6 + 8 * size);
  if (!descriptors || !available || !used) {
    return Errc::not_mapped;
  }
  if (*descriptors % 16 != 0 || *available % 2 != 0 || *used % 4 != 0) {
    return Errc::unaligned;
  }
  layout_.descriptors = *descriptors;
  layout_.driver = *available;
  layout_.device = *used;
  placed_ = true;
  look();
  return {};
}

Status VhostUser::set_eventfd(Request request, std::uint64_t value, std::vector<Fd>& fds) {
  const bool has_none = (value & vhost::vring_no_fd) != 0;
  if ((value & ~(vhost::vring_index_mask | vhost::vring_no_fd)) != 0 || (value & vhost::vring_index_mask) != 0) {
    return Errc::invalid_argument;
  }
  if (fds.size() != (has_none ? 0 : 1)) {
    return Errc::protocol;
  }
  vfio::Eventfd eventfd;
  if (!has_none) {
    auto own = vfio::Eventfd::duplicate(fds[0].get());
    if (!own) {
      return own.error();
    }
    eventfd = std::move(*own);
  }
  if (request == Request::set_vring_kick) {
    return has_none ? Errc::unsupported : set_kick(std::move(fds[0])); // nobody polls the ring instead
  }
  std::swap(request == Request::set_vring_call ? call_ : error_, eventfd);
  return {};
}

// Whoever reads it when it is readable must not wait if the client has been faster.
Status VhostUser::set_kick(Fd fd) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return Errc::io_error;
  }
  kick_ = std::move(fd);
  look();
  return {};
}

// Starts the queue when nothing is missing, and stops it when it is disabled.
void VhostUser::look() {
  const bool wanted = enabled_ && placed_ && kick_ && (features_ & pcie::virtio::version_1) != 0;
  if (wanted && !running_) {
    running_ = true;
    device_.start(layout_, pcie::QueueRules::of(features_), next_);
  } else if (!wanted && running_) {
    next_ = device_.stop();
    running_ = false;
  }
}

std::uint16_t VhostUser::stop() {
  if (running_) {
    next_ = device_.stop();
    running_ = false;
  }
  kick_.reset();
  return next_;
}

bool VhostUser::run() {
  if (!running_) {
    return false;
  }
  const VhostDevice::Ran ran = device_.run();
  if (ran.interrupt) {
    call_.signal();
  }
  if (ran.broken) {
    error_.signal();
  }
  return ran.more;
}

std::optional<std::uint64_t> VhostUser::to_guest(std::uint64_t user_address, std::uint64_t size) const {
  for (const vhost::Region& r : regions_) {
    const std::uint64_t at = user_address - r.user_address;
    if (at < r.size && size <= r.size - at) {
      return r.guest_address + at;
    }
  }
  return std::nullopt;
}

} // namespace sluice::remote
