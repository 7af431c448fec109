#include <sluice/uapi/vfio.hpp>
#include <sluice/vfio/cdev.hpp>
#include <sluice/vfio/facts.hpp>

#include <algorithm>
#include <array>

// Binding a device to a /dev/iommu, and attaching it to page tables.
namespace sluice::vfio {

namespace u = uapi::vfio;
using base::Errc;
using base::Order;
using base::Status;
using platform::MutexGuard;

namespace {

// Bytes of a structure beyond what is known of it have to be zero.
Status check_tail(iommufd::Caller& caller, std::uint64_t from, std::uint64_t end) {
  for (std::array<std::byte, 256> tail; from < end;) {
    const auto piece = std::span{tail}.first(std::min<std::uint64_t>(tail.size(), end - from));
    if (auto status = caller.read(from, piece); !status) {
      return status;
    }
    if (std::any_of(piece.begin(), piece.end(), [](std::byte b) { return b != std::byte{}; })) {
      return Errc::trailing_data;
    }
    from += piece.size();
  }
  return {};
}

} // namespace

Status File::bind(std::uint64_t argument) {
  u::BindIommufd cmd{};
  if (auto status = read(argument, cmd.argsz); !status) {
    return status;
  }
  const std::uint64_t size = cmd.argsz;
  if (size < u::BindIommufd::min_size) {
    return Errc::invalid_argument;
  }
  if (auto status = check_tail(caller(), argument + sizeof cmd, argument + size); !status) {
    return status;
  }
  if (auto status = read(argument, cmd, std::min<std::uint64_t>(size, sizeof cmd)); !status) {
    return status;
  }
  if ((cmd.flags & ~std::uint32_t{u::bind_token}) != 0 || cmd.iommufd < 0) {
    return Errc::invalid_argument;
  }
  std::optional<std::uint64_t> token;
  if ((cmd.flags & u::bind_token) != 0) {
    token = cmd.token_uuid_ptr;
  }
  return bind_locked(token, cmd.iommufd, argument + offsetof(u::BindIommufd, out_devid));
}

Status File::bind_locked(const std::optional<std::uint64_t>& token, int iommufd, std::uint64_t out_id) {
  const MutexGuard guard{cdev_.host_.sync, cdev_.mutex_};
  if (granted_.load(Order::relaxed)) {
    return Errc::invalid_argument;
  }
  if (token) { // of a virtual function's owner: none is wanted here
    std::array<std::byte, 16> uuid;
    auto status = read(*token, uuid);
    return status ? Status{Errc::invalid_argument} : status;
  }
  auto context = cdev_.host_.iommufds.find_context(iommufd);
  if (!context) {
    return context.error();
  }
  if (cdev_.bound_) {
    return Errc::invalid_argument;
  }
  auto device = (*context)->bind(cdev_.device_, facts_of(cdev_.function_, cdev_.device_, cdev_.config_.facts));
  if (!device) {
    return device.error();
  }
  cdev_.start();
  if (auto status = write(out_id, (*device)->id()); !status) {
    cdev_.stop();
    (*context)->unbind(**device);
    return status;
  }
  context_ = std::move(*context);
  device_ = *device;
  cdev_.bound_ = true;
  granted_.store(true, Order::release);
  return {};
}

// The part of a structure that says where: with the flag its PASID, which the shorter one lacks. 0 is no PASID.
template <class T>
Status File::read_target(std::uint64_t argument, T& cmd) {
  if (auto status = read(argument, cmd, T::min_size); !status) {
    return status;
  }
  if (cmd.argsz < T::min_size || (cmd.flags & ~std::uint32_t{u::attach_pasid}) != 0) {
    return Errc::invalid_argument;
  }
  if ((cmd.flags & u::attach_pasid) == 0) {
    cmd.pasid = iommufd::no_pasid;
    return {};
  }
  return cmd.argsz < sizeof cmd ? Status{Errc::invalid_argument} : read(argument, cmd);
}

Status File::attach(std::uint64_t argument) {
  u::AttachIommufdPt cmd{};
  if (auto status = read_target(argument, cmd); !status) {
    return status;
  }
  if ((cmd.flags & u::attach_pasid) != 0 && cmd.pasid == iommufd::no_pasid) {
    return Errc::invalid_argument;
  }
  const MutexGuard guard{cdev_.host_.sync, cdev_.mutex_};
  auto id = context_->attach(*device_, cmd.pt_id, cmd.pasid);
  if (!id) {
    return id.error();
  }
  auto status = write(argument + offsetof(u::AttachIommufdPt, pt_id), *id);
  if (!status) {
    context_->detach(*device_, cmd.pasid);
  }
  return status;
}

// Where nothing is attached there is nothing to be done.
Status File::detach(std::uint64_t argument) {
  u::DetachIommufdPt cmd{};
  if (auto status = read_target(argument, cmd); !status) {
    return status;
  }
  if ((cmd.flags & u::attach_pasid) != 0 && cmd.pasid == iommufd::no_pasid) {
    return {};
  }
  const MutexGuard guard{cdev_.host_.sync, cdev_.mutex_};
  context_->detach(*device_, cmd.pasid);
  return {};
}

} // namespace sluice::vfio
