#include <sluice/uapi/vfio.hpp>
#include <sluice/vfio/cdev.hpp>

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
  auto device = (*context)->bind(cdev_.device_, cdev_.config_.facts);
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

Status File::attach(std::uint64_t argument) {
  u::AttachIommufdPt cmd{};
  if (auto status = read(argument, cmd, u::AttachIommufdPt::min_size); !status) {
    return status;
  }
  if (cmd.argsz < u::AttachIommufdPt::min_size || (cmd.flags & ~std::uint32_t{u::attach_pasid}) != 0) {
    return Errc::invalid_argument;
  }
  if ((cmd.flags & u::attach_pasid) != 0) {
    if (cmd.argsz < sizeof cmd) {
      return Errc::invalid_argument;
    }
    if (auto status = read(argument, cmd); !status) {
      return status;
    }
    return attach_pasid();
  }
  const MutexGuard guard{cdev_.host_.sync, cdev_.mutex_};
  auto id = context_->attach(*device_, cmd.pt_id);
  if (!id) {
    return id.error();
  }
  auto status = write(argument + offsetof(u::AttachIommufdPt, pt_id), *id);
  if (!status) {
    context_->detach(*device_);
  }
  return status;
}

// Page tables of a PASID: a device without PASIDs has none, and for the others iommufd does not know them yet.
Status File::attach_pasid() const {
  return cdev_.config_.facts.max_pasid_log2 == 0 ? Errc::invalid_argument : Errc::unsupported;
}

Status File::detach(std::uint64_t argument) {
  u::DetachIommufdPt cmd{};
  if (auto status = read(argument, cmd, u::DetachIommufdPt::min_size); !status) {
    return status;
  }
  if (cmd.argsz < u::DetachIommufdPt::min_size || (cmd.flags & ~std::uint32_t{u::attach_pasid}) != 0) {
    return Errc::invalid_argument;
  }
  if ((cmd.flags & u::attach_pasid) != 0) {
    if (cmd.argsz < sizeof cmd) {
      return Errc::invalid_argument;
    }
    return read(argument, cmd); // a PASID where nothing is attached is none of an error
  }
  const MutexGuard guard{cdev_.host_.sync, cdev_.mutex_};
  context_->detach(*device_);
  return {};
}

} // namespace sluice::vfio
