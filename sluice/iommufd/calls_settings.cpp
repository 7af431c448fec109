#include <sluice/iommufd/call.hpp>
#include <sluice/iommufd/ioas.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <cstddef>
#include <map>
#include <vector>

// What a client sets of an address space or of the whole context.
namespace sluice::iommufd::calls {

using base::Errc;
using base::Status;
namespace u = uapi::iommufd;

namespace {

// The caller's list, entry by entry, so that the first bad one decides the error.
base::Result<std::vector<Range>> read_ranges(Call& call, const u::IoasAllowIovas& cmd) {
  std::map<std::uint64_t, std::uint64_t> seen; // start -> last
  for (std::uint32_t i = 0; i < cmd.num_iovas; ++i) {
    const auto range = call.read<u::IovaRange>(cmd.allowed_iovas + i * sizeof(u::IovaRange));
    if (!range) {
      return range.error();
    }
    if (range->start >= range->last) {
      return Errc::invalid_argument;
    }
    const auto next = seen.upper_bound(range->last);
    if (next != seen.begin() && std::prev(next)->second >= range->start) {
      return Errc::invalid_argument;
    }
    seen.emplace(range->start, range->last);
  }
  std::vector<Range> ranges;
  for (const auto& [start, last] : seen) {
    ranges.push_back({start, last});
  }
  return ranges;
}

Status rlimit_mode(Call& call, u::Option& cmd) {
  if (cmd.object_id != 0) {
    return Errc::unsupported;
  }
  switch (cmd.op) {
  case u::option_get:
    cmd.val64 = call.accounts_by_process() ? 1 : 0;
    return {};
  case u::option_set:
    if (call.host().without_sys_resource) {
      return Errc::not_permitted;
    }
    if (call.objects().count() != 0) {
      return Errc::busy;
    }
    if (cmd.val64 > 1) {
      return Errc::invalid_argument;
    }
    call.accounts_by_process() = cmd.val64 == 1;
    return {};
  default:
    return Errc::unsupported;
  }
}

Status huge_pages(Call& call, u::Option& cmd) {
  auto ioas = call.objects().get<Ioas>(cmd.object_id);
  if (!ioas) {
    return ioas.error();
  }
  switch (cmd.op) {
  case u::option_get:
    cmd.val64 = (*ioas)->huge_pages() ? 1 : 0;
    return {};
  case u::option_set:
    return cmd.val64 > 1 ? Status{Errc::invalid_argument} : (*ioas)->set_huge_pages(cmd.val64 == 1);
  default:
    return Errc::unsupported;
  }
}

Status set_or_get(Call& call, u::Option& cmd) {
  switch (cmd.option_id) {
  case u::option_rlimit_mode:
    return rlimit_mode(call, cmd);
  case u::option_huge_pages:
    return huge_pages(call, cmd);
  default:
    return Errc::unsupported;
  }
}

} // namespace

Status ioas_allow_iovas(Call& call) {
  const auto& cmd = call.as<u::IoasAllowIovas>();
  if (cmd.reserved != 0) {
    return Errc::unsupported;
  }
  auto ioas = call.objects().get<Ioas>(cmd.ioas_id);
  if (!ioas) {
    return ioas.error();
  }
  auto ranges = read_ranges(call, cmd);
  return ranges ? (*ioas)->allow(std::move(*ranges)) : Status{ranges.error()};
}

Status option(Call& call) {
  auto& cmd = call.as<u::Option>();
  if (cmd.reserved != 0) {
    return Errc::unsupported;
  }
  if (auto status = set_or_get(call, cmd); !status) {
    return status;
  }
  // Only the value goes back; what was set stays set when it cannot.
  return call.host().caller.write(call.argument + offsetof(u::Option, val64), std::as_bytes(std::span{&cmd.val64, 1}));
}

Status vfio_ioas(Call& call) {
  auto& cmd = call.as<u::VfioIoas>();
  if (cmd.reserved != 0) {
    return Errc::unsupported;
  }
  switch (cmd.op) {
  case u::vfio_ioas_get:
    if (call.vfio_ioas() == 0) {
      return Errc::no_device;
    }
    cmd.ioas_id = call.vfio_ioas();
    return call.respond();
  case u::vfio_ioas_set: {
    auto ioas = call.objects().get<Ioas>(cmd.ioas_id);
    if (!ioas) {
      return ioas.error();
    }
    call.vfio_ioas() = cmd.ioas_id;
    return {};
  }
  case u::vfio_ioas_clear:
    call.vfio_ioas() = 0;
    return {};
  default:
    return Errc::unsupported;
  }
}

// Memory of the process that mapped it cannot follow another one; a file can, and nothing more has to be done for it.
Status ioas_change_process(Call& call) {
  if (call.as<u::IoasChangeProcess>().reserved != 0) {
    return Errc::unsupported;
  }
  bool follows = true;
  call.objects().for_each<Ioas>([&](Ioas& ioas) { follows = follows && ioas.only_files(); });
  return follows ? Status{} : Status{Errc::invalid_argument};
}

} // namespace sluice::iommufd::calls
