#pragma once

#include <sluice/base/result.hpp>
#include <sluice/hosted/fd.hpp>
#include <sluice/pcie/function.hpp>
#include <sluice/remote/vfio_facts.hpp>
#include <sluice/vfio/interrupts.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace sluice::remote {

// The server's side of vfio-user for one PCI function, message by message. The function's requests do not go by what
// the client maps: they are IOVAs, for the SMMU that the function is behind. What is mapped is checked and remembered,
// as a client may rely on that.
class VfioUser {
public:
  VfioUser(pcie::Function& function, platform::Sync& sync);
  VfioUser(const VfioUser&) = delete;
  VfioUser& operator=(const VfioUser&) = delete;
  ~VfioUser();

  struct Answer {
    base::Status status{};
    std::vector<std::byte> reply{}; // header and payload; empty: the client wants none
  };
  // A request that cannot be done is answered with an errno and changes nothing. Without a header that is one, or
  // before the versions are agreed upon, it is no use to go on with a client: `fatal`.
  Answer handle(const vfio_user::Header& header, std::span<const std::byte> payload,
                const std::vector<hosted::Fd>& fds);
  bool fatal() const { return fatal_; }

  std::size_t maps() const { return maps_.size(); }

private:
  using Bytes = std::span<const std::byte>;

  base::Status dispatch(vfio_user::Command command, Bytes payload, const std::vector<hosted::Fd>& fds,
                        std::vector<std::byte>& reply);
  base::Status agree(Bytes payload, std::vector<std::byte>& reply);
  base::Status map(Bytes payload, std::size_t fds);
  base::Status unmap(Bytes payload, std::vector<std::byte>& reply);
  base::Status device_info(Bytes payload, std::vector<std::byte>& reply) const;
  base::Status region_info(Bytes payload, std::vector<std::byte>& reply) const;
  base::Status irq_info(Bytes payload, std::vector<std::byte>& reply) const;
  base::Status set_irqs(Bytes payload, const std::vector<hosted::Fd>& fds);
  base::Status read(Bytes payload, std::vector<std::byte>& reply);
  base::Status write(Bytes payload, std::vector<std::byte>& reply);
  base::Status reset();
  std::uint64_t region_size(std::uint32_t region) const;
  base::Status check(const vfio_user::RegionAccess& access) const;

  // Its messages would have to go through the client's interrupt controller.
  class NoVectors final : public vfio::Vectors {
  public:
    base::Result<vfio::Message> connect(pcie::Address, const vfio::Eventfd&) override {
      return base::Errc::unsupported;
    }
    void disconnect(pcie::Address, const vfio::Message&) override {}
  };

  pcie::Function& function_;
  NoVectors no_vectors_;
  vfio::Interrupts interrupts_;
  std::map<std::uint64_t, std::uint64_t> maps_; // address, size
  bool agreed_{};
  bool fatal_{};
};

} // namespace sluice::remote
