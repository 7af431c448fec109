#pragma once

#include <sluice/remote/server.hpp>
#include <sluice/remote/vfio_user.hpp>

namespace sluice::remote {

// vfio-user on a stream.
class VfioSession final : public Session {
public:
  VfioSession(pcie::Function& function, platform::Sync& sync) : protocol_{function, sync} {}

  base::Status on_message(Stream& stream) override;
  std::uint64_t refused() const { return refused_; }

private:
  VfioUser protocol_;
  std::vector<std::byte> buffer_{};
  std::uint64_t refused_{};
};

} // namespace sluice::remote
