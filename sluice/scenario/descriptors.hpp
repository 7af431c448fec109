#pragma once

#include <sluice/machine/host.hpp>
#include <sluice/vfio/cdev.hpp>

#include <cstdint>
#include <map>
#include <memory>

namespace sluice::scenario {

// What monitors have open of a host, by numbers as a kernel would give them. Opening and closing is one thread's.
class Descriptors final : public vfio::Iommufds {
public:
  // The host's, from now on.
  explicit Descriptors(machine::Host& host) : host_{host} { host_.set_iommufds(*this); }

  int open_iommufd();
  int open_engine(unsigned engine);
  void close(int fd);

  // As ioctl(2): 0, or a negative errno.
  int ioctl(int fd, unsigned long request, void* argument) const;
  // Of a device, or null.
  vfio::File* file(int fd) const;

  base::Result<std::shared_ptr<iommufd::Context>> find_context(int fd) override;

private:
  machine::Host& host_;
  std::map<int, std::shared_ptr<iommufd::Context>> iommufds_;
  std::map<int, std::unique_ptr<vfio::File>> devices_;
  int next_{100};
};

} // namespace sluice::scenario
