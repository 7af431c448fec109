#pragma once

#include <sluice/hosted/guarded.hpp>
#include <sluice/iommufd/host.hpp>

namespace sluice::machine {

// A caller in our own process.
class ProcessCaller final : public iommufd::Caller {
public:
  base::Status read(std::uint64_t from, std::span<std::byte> into) override {
    return hosted::guarded::read(from, into);
  }
  base::Status write(std::uint64_t to, std::span<const std::byte> from) override {
    return hosted::guarded::write(to, from);
  }
};

} // namespace sluice::machine
