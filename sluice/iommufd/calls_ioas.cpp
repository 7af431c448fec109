#include <sluice/iommufd/call.hpp>
#include <sluice/iommufd/ioas.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <limits>
#include <memory>

namespace sluice::iommufd::calls {

using base::Errc;
using base::Status;
namespace u = uapi::iommufd;

namespace {

constexpr std::uint64_t top = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint32_t map_flags = u::map_fixed_iova | u::map_writeable | u::map_readable;

// What MAP, MAP_FILE and COPY check alike, in the order of the interface.
Status check_flags(std::uint32_t flags, std::uint32_t reserved) {
  return (flags & ~map_flags) != 0 || reserved != 0 ? Status{Errc::unsupported} : Status{};
}

Status check_access(std::uint32_t flags) {
  return (flags & (u::map_writeable | u::map_readable)) == 0 ? Status{Errc::invalid_argument} : Status{};
}

Ioas::Request request(std::uint32_t flags, std::uint64_t iova, std::uint64_t length) {
  return {.iova = iova,
          .length = length,
          .fixed = (flags & u::map_fixed_iova) != 0,
          .read = (flags & u::map_readable) != 0,
          .write = (flags & u::map_writeable) != 0};
}

// Gives back what was mapped when the caller cannot be told where.
Status answer(Call& call, Ioas& ioas, std::uint64_t iova, std::uint64_t length) {
  auto status = call.respond();
  if (!status) {
    static_cast<void>(ioas.unmap({iova, iova + length - 1}));
  }
  return status;
}

} // namespace

Status ioas_alloc(Call& call) {
  auto& cmd = call.as<u::IoasAlloc>();
  if (cmd.flags != 0) {
    return Errc::unsupported;
  }
  auto ioas = call.objects().add(std::make_unique<Ioas>());
  if (!ioas) {
    return ioas.error();
  }
  cmd.out_ioas_id = (*ioas)->id();
  auto status = call.respond();
  if (!status) {
    call.objects().remove(**ioas);
  }
  return status;
}

Status ioas_iova_ranges(Call& call) {
  auto& cmd = call.as<u::IoasIovaRanges>();
  if (cmd.reserved != 0) {
    return Errc::unsupported;
  }
  auto ioas = call.objects().get<Ioas>(cmd.ioas_id);
  if (!ioas) {
    return ioas.error();
  }
  const auto ranges = (*ioas)->usable();
  const std::uint32_t room = cmd.num_iovas;
  for (std::size_t i = 0; i < ranges.size() && i < room; ++i) {
    const u::IovaRange one{ranges[i].start, ranges[i].last};
    if (auto status = call.host().caller.write(cmd.allowed_iovas + i * sizeof one, std::as_bytes(std::span{&one, 1}));
        !status) {
      return status;
    }
  }
  cmd.num_iovas = static_cast<std::uint32_t>(ranges.size());
  cmd.out_iova_alignment = (*ioas)->alignment();
  if (auto status = call.respond(); !status) {
    return status;
  }
  return ranges.size() > room ? Status{Errc::answer_too_long} : Status{};
}

Status ioas_map(Call& call) {
  auto& cmd = call.as<u::IoasMap>();
  if (auto status = check_flags(cmd.flags, cmd.reserved); !status) {
    return status;
  }
  if (cmd.iova == top || cmd.length == top) {
    return Errc::overflow;
  }
  if (auto status = check_access(cmd.flags); !status) {
    return status;
  }
  auto ioas = call.objects().get<Ioas>(cmd.ioas_id);
  if (!ioas) {
    return ioas.error();
  }
  std::uint64_t end{};
  if (__builtin_add_overflow(cmd.user_va, cmd.length, &end)) {
    return Errc::overflow;
  }
  const auto wanted = request(cmd.flags, cmd.iova, cmd.length);
  auto iova =
      (*ioas)->map(Backing::memory(call.host().pages, call.charge(), cmd.user_va, cmd.length, wanted.write), 0, wanted);
  if (!iova) {
    return iova.error();
  }
  cmd.iova = *iova;
  return answer(call, **ioas, *iova, cmd.length);
}

Status ioas_map_file(Call& call) {
  auto& cmd = call.as<u::IoasMapFile>();
  if (auto status = check_flags(cmd.flags, 0); !status) {
    return status;
  }
  if (cmd.iova == top || cmd.length == top) {
    return Errc::overflow;
  }
  if (auto status = check_access(cmd.flags); !status) {
    return status;
  }
  auto ioas = call.objects().get<Ioas>(cmd.ioas_id);
  if (!ioas) {
    return ioas.error();
  }
  if (cmd.length == 0) {
    return Errc::invalid_argument;
  }
  std::uint64_t end{};
  if (__builtin_add_overflow(cmd.start, cmd.length, &end)) {
    return Errc::overflow;
  }
  const auto fd = call.host().pages.duplicate(cmd.fd);
  if (!fd) {
    return fd.error();
  }
  const auto wanted = request(cmd.flags, cmd.iova, cmd.length);
  auto iova = (*ioas)->map(Backing::file(call.host().pages, call.charge(), *fd, cmd.start, cmd.length, wanted.write), 0,
                           wanted);
  if (!iova) {
    return iova.error();
  }
  cmd.iova = *iova;
  return answer(call, **ioas, *iova, cmd.length);
}

Status ioas_copy(Call& call) {
  auto& cmd = call.as<u::IoasCopy>();
  if (auto status = check_flags(cmd.flags, 0); !status) {
    return status;
  }
  if (cmd.length == top || cmd.src_iova == top || cmd.dst_iova == top) {
    return Errc::overflow;
  }
  if (auto status = check_access(cmd.flags); !status) {
    return status;
  }
  auto source = call.objects().get<Ioas>(cmd.src_ioas_id);
  if (!source) {
    return source.error();
  }
  if (cmd.length == 0) {
    return Errc::invalid_argument;
  }
  std::uint64_t last{};
  if (__builtin_add_overflow(cmd.src_iova, cmd.length - 1, &last)) {
    return Errc::overflow;
  }
  auto target = call.objects().get<Ioas>(cmd.dst_ioas_id);
  if (!target) {
    return target.error();
  }
  auto iova = (*target)->copy(**source, cmd.src_iova, request(cmd.flags, cmd.dst_iova, cmd.length));
  if (!iova) {
    return iova.error();
  }
  cmd.dst_iova = *iova;
  return answer(call, **target, *iova, cmd.length);
}

Status ioas_unmap(Call& call) {
  auto& cmd = call.as<u::IoasUnmap>();
  auto ioas = call.objects().get<Ioas>(cmd.ioas_id);
  if (!ioas) {
    return ioas.error();
  }
  if (cmd.iova == 0 && cmd.length == top) { // nothing there is no error
    auto removed = call.unmap(**ioas, {0, top});
    if (!removed) {
      return removed.error();
    }
    cmd.length = *removed;
    return call.respond();
  }
  if (cmd.iova == top || cmd.length == top) {
    return Errc::overflow;
  }
  std::uint64_t last{};
  if (cmd.length == 0) {
    return Errc::invalid_argument;
  }
  if (__builtin_add_overflow(cmd.iova, cmd.length - 1, &last)) {
    return Errc::overflow;
  }
  auto removed = call.unmap(**ioas, {cmd.iova, last});
  if (!removed || *removed == 0) {
    return removed ? Errc::not_found : removed.error();
  }
  cmd.length = *removed;
  return call.respond();
}

} // namespace sluice::iommufd::calls
