#include <sluice/scenario/descriptors.hpp>

#include <sluice/uapi/errno.hpp>

namespace sluice::scenario {

int Descriptors::open_iommufd() {
  iommufds_[next_] = host_.open_iommufd();
  return next_++;
}

int Descriptors::open_engine(unsigned engine) {
  devices_[next_] = host_.open_engine(engine);
  return next_++;
}

void Descriptors::close(int fd) {
  devices_.erase(fd);
  iommufds_.erase(fd);
}

int Descriptors::ioctl(int fd, unsigned long request, void* argument) const {
  const auto number = static_cast<std::uint32_t>(request);
  const auto pointer = reinterpret_cast<std::uintptr_t>(argument);
  if (const auto device = devices_.find(fd); device != devices_.end()) {
    return device->second->ioctl(number, pointer);
  }
  const auto iommufd = iommufds_.find(fd);
  return iommufd != iommufds_.end() ? iommufd->second->ioctl(number, pointer)
                                    : -static_cast<int>(uapi::Errno::bad_descriptor);
}

vfio::File* Descriptors::file(int fd) const {
  const auto device = devices_.find(fd);
  return device != devices_.end() ? device->second.get() : nullptr;
}

base::Result<std::shared_ptr<iommufd::Context>> Descriptors::find_context(int fd) {
  const auto iommufd = iommufds_.find(fd);
  if (iommufd == iommufds_.end()) {
    return base::Errc::bad_descriptor;
  }
  return iommufd->second;
}

} // namespace sluice::scenario
