#include <sluice/remote/vfio_user.hpp>

#include <sluice/remote/wire.hpp>
#include <sluice/uapi/errno.hpp>
#include <sluice/uapi/vfio.hpp>

#include <algorithm>
#include <cstring>
#include <optional>

namespace sluice::remote {

namespace u = uapi::vfio;
using base::Errc;
using base::Status;
using hosted::Fd;

namespace {

// What the caller has filled in of a structure of VFIO's.
template <class T>
std::optional<T> request(std::span<const std::byte> payload) {
  if (payload.size() < T::min_size) {
    return std::nullopt;
  }
  T value{};
  std::ranges::copy(payload.first(T::min_size), std::as_writable_bytes(std::span{&value, 1}).begin());
  return value.argsz >= T::min_size ? std::optional{value} : std::nullopt;
}

// An answer with one, which says how long it is.
template <class T>
void append_info(std::vector<std::byte>& reply, T info) {
  info.argsz = T::min_size;
  const auto bytes = std::as_bytes(std::span{&info, 1}).first(T::min_size);
  reply.insert(reply.end(), bytes.begin(), bytes.end());
}

// The next piece of an access that a function takes at once.
unsigned piece_size(std::uint64_t at, std::uint64_t left, unsigned widest) {
  unsigned size = widest;
  while (size > left || at % size != 0) {
    size /= 2;
  }
  return size;
}

} // namespace

VfioUser::VfioUser(pcie::Function& function, platform::Sync& sync)
    : function_{function}, interrupts_{function, no_vectors_, sync, false} {
  interrupts_.open();
  function_.connect_intx(&interrupts_);
}

VfioUser::~VfioUser() {
  function_.connect_intx(nullptr);
  interrupts_.close();
}

VfioUser::Answer VfioUser::handle(const vfio_user::Header& header, Bytes payload, const std::vector<Fd>& fds) {
  if ((header.flags & vfio_user::type_mask) != 0 ||
      (header.flags & ~(vfio_user::type_mask | vfio_user::flag_no_reply)) != 0 ||
      header.size != sizeof header + payload.size()) {
    fatal_ = true;
    return {.status = Errc::protocol};
  }
  std::vector<std::byte> data;
  Answer answer{.status = dispatch(header.command, payload, fds, data)};
  fatal_ = fatal_ || !agreed_;
  if ((header.flags & vfio_user::flag_no_reply) != 0) {
    return answer;
  }
  vfio_user::Header head{.id = header.id, .command = header.command, .flags = vfio_user::type_reply};
  if (!answer.status) {
    head.flags |= vfio_user::flag_error;
    head.error = static_cast<std::uint32_t>(uapi::to_errno(answer.status.error()));
    data.clear();
  }
  head.size = static_cast<std::uint32_t>(sizeof head + data.size());
  append(answer.reply, head);
  answer.reply.insert(answer.reply.end(), data.begin(), data.end());
  return answer;
}

Status VfioUser::dispatch(vfio_user::Command command, Bytes payload, const std::vector<Fd>& fds,
                          std::vector<std::byte>& reply) {
  if (agreed_ == (command == vfio_user::Command::version)) { // first, and once
    return Errc::invalid_argument;
  }
  switch (command) {
  case vfio_user::Command::version:
    return agree(payload, reply);
  case vfio_user::Command::dma_map:
    return map(payload, fds.size());
  case vfio_user::Command::dma_unmap:
    return unmap(payload, reply);
  case vfio_user::Command::device_get_info:
    return device_info(payload, reply);
  case vfio_user::Command::device_get_region_info:
    return region_info(payload, reply);
  case vfio_user::Command::device_get_irq_info:
    return irq_info(payload, reply);
  case vfio_user::Command::device_set_irqs:
    return set_irqs(payload, fds);
  case vfio_user::Command::region_read:
    return read(payload, reply);
  case vfio_user::Command::region_write:
    return write(payload, reply);
  case vfio_user::Command::device_reset:
    return reset();
  case vfio_user::Command::device_get_region_io_fds:
  case vfio_user::Command::region_write_multi:
  case vfio_user::Command::dma_read:
  case vfio_user::Command::dma_write:
    break;
  }
  return Errc::unsupported;
}

Status VfioUser::map(Bytes payload, std::size_t fds) {
  const auto map = request<vfio_user::DmaMap>(payload);
  constexpr std::uint64_t page = 4096;
  if (!map || payload.size() != sizeof *map || fds > 1 ||
      (map->flags & ~(vfio_user::dma_read | vfio_user::dma_write)) != 0 || map->size == 0 || map->address % page != 0 ||
      map->size % page != 0 || map->address + map->size < map->address || map->offset + map->size < map->offset) {
    return Errc::invalid_argument;
  }
  const auto next = maps_.lower_bound(map->address);
  const bool over_next = next != maps_.end() && next->first - map->address < map->size;
  const bool over_last = next != maps_.begin() && std::prev(next)->second > map->address - std::prev(next)->first;
  if (over_next || over_last) {
    return Errc::already_mapped;
  }
  if (maps_.size() == vfio_user::most_maps) {
    return Errc::no_space;
  }
  maps_.emplace(map->address, map->size);
  return {};
}

Status VfioUser::unmap(Bytes payload, std::vector<std::byte>& reply) {
  const auto unmap = request<vfio_user::DmaUnmap>(payload);
  if (!unmap || (unmap->flags & ~vfio_user::unmap_all) != 0) {
    return Errc::invalid_argument;
  }
  if (unmap->flags == vfio_user::unmap_all) {
    if (unmap->address != 0 || unmap->size != 0) {
      return Errc::invalid_argument;
    }
    maps_.clear();
  } else {
    const auto found = maps_.find(unmap->address);
    if (found == maps_.end() || found->second != unmap->size) {
      return Errc::not_mapped;
    }
    maps_.erase(found);
  }
  append(reply, *unmap);
  return {};
}

Status VfioUser::device_info(Bytes payload, std::vector<std::byte>& reply) const {
  if (!request<u::DeviceInfo>(payload)) {
    return Errc::invalid_argument;
  }
  append_info(reply, u::DeviceInfo{.flags = u::device_flag_pci | u::device_flag_reset,
                                   .num_regions = u::region_count,
                                   .num_irqs = u::irq_count});
  return {};
}

std::uint64_t VfioUser::region_size(std::uint32_t region) const {
  return region == u::region_config ? pcie::ConfigSpace::bytes : function_.bar_size(region);
}

Status VfioUser::region_info(Bytes payload, std::vector<std::byte>& reply) const {
  const auto info = request<u::RegionInfo>(payload);
  if (!info || info->index >= u::region_count) {
    return Errc::invalid_argument;
  }
  const std::uint64_t size = region_size(info->index);
  append_info(
      reply,
      u::RegionInfo{.flags = size != 0 ? u::region_read | u::region_write : 0U, .index = info->index, .size = size});
  return {};
}

Status VfioUser::irq_info(Bytes payload, std::vector<std::byte>& reply) const {
  const auto info = request<u::IrqInfo>(payload);
  if (!info || info->index >= u::irq_count) {
    return Errc::invalid_argument;
  }
  const std::uint32_t how =
      info->index == u::irq_intx ? u::irq_maskable | u::irq_automasked : std::uint32_t{u::irq_noresize};
  append_info(reply, u::IrqInfo{.flags = u::irq_eventfd | how,
                                .index = info->index,
                                .count = info->index == u::irq_msix ? 0 : interrupts_.count(info->index)});
  return {};
}

// Eventfds come beside the message instead of in it.
Status VfioUser::set_irqs(Bytes payload, const std::vector<Fd>& fds) {
  const auto set = request<u::IrqSet>(payload);
  if (!set || set->index >= u::irq_count || (set->flags & ~(u::irq_set_data_types | u::irq_set_actions)) != 0) {
    return Errc::invalid_argument;
  }
  const std::uint32_t there = set->index == u::irq_msix ? 0 : interrupts_.count(set->index);
  if (set->start >= there || set->count > there - set->start) {
    return Errc::invalid_argument;
  }
  Bytes data = payload.subspan(u::IrqSet::min_size);
  std::vector<std::byte> numbers;
  switch (set->flags & u::irq_set_data_types) {
  case u::irq_set_data_none:
    break;
  case u::irq_set_data_bool:
    if (data.size() < set->count) {
      return Errc::invalid_argument;
    }
    break;
  case u::irq_set_data_eventfd:
    if (fds.size() > set->count) {
      return Errc::invalid_argument;
    }
    for (std::uint32_t i = 0; i < set->count; ++i) { // fewer: the rest is let go
      append(numbers, std::int32_t{i < fds.size() ? fds[i].get() : -1});
    }
    data = numbers;
    break;
  default:
    return Errc::invalid_argument;
  }
  return interrupts_.set(
      {.flags = set->flags, .index = set->index, .start = set->start, .count = set->count, .data = data});
}

Status VfioUser::check(const vfio_user::RegionAccess& access) const {
  const std::uint64_t size = access.region < u::region_count ? region_size(access.region) : 0;
  if (access.count == 0 || access.count > vfio_user::most_data || access.offset > size ||
      access.count > size - access.offset) {
    return Errc::invalid_argument;
  }
  return {};
}

Status VfioUser::read(Bytes payload, std::vector<std::byte>& reply) {
  const auto access = front<vfio_user::RegionAccess>(payload);
  if (!access || payload.size() != sizeof *access) {
    return Errc::invalid_argument;
  }
  if (auto status = check(*access); !status) {
    return status;
  }
  append(reply, *access);
  const bool config = access->region == u::region_config;
  for (std::uint64_t done = 0; done < access->count;) {
    const std::uint64_t at = access->offset + done;
    const unsigned size = piece_size(at, access->count - done, config ? 4 : 8);
    const std::uint64_t value = config ? function_.config_read(static_cast<std::uint16_t>(at), size)
                                       : function_.region_read(access->region, at, size);
    const auto* const bytes = reinterpret_cast<const std::byte*>(&value);
    reply.insert(reply.end(), bytes, bytes + size);
    done += size;
  }
  return {};
}

Status VfioUser::write(Bytes payload, std::vector<std::byte>& reply) {
  const auto access = front<vfio_user::RegionAccess>(payload);
  if (!access || payload.size() - sizeof *access != access->count) {
    return Errc::invalid_argument;
  }
  if (auto status = check(*access); !status) {
    return status;
  }
  const Bytes data = payload.subspan(sizeof *access);
  const bool config = access->region == u::region_config;
  for (std::uint64_t done = 0; done < access->count;) {
    const std::uint64_t at = access->offset + done;
    const unsigned size = piece_size(at, access->count - done, config ? 4 : 8);
    std::uint64_t value = 0;
    std::memcpy(&value, data.data() + done, size);
    if (config) {
      function_.config_write(static_cast<std::uint16_t>(at), size, static_cast<std::uint32_t>(value));
    } else {
      function_.region_write(access->region, at, size, value);
    }
    done += size;
  }
  append(reply, *access);
  return {};
}

Status VfioUser::reset() {
  function_.reset();
  interrupts_.restore();
  return {};
}

} // namespace sluice::remote
