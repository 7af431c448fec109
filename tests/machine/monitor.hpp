#pragma once

#include "host_client.hpp"

#include <memory>
#include <vector>

namespace sluice::machine::test {

// What monitors of copy engines have before they do anything: the machine, an IOAS of its /dev/iommu, memory, and each
// engine bound and a bus master.
struct Monitor {
  static constexpr std::uint64_t page = 4096;

  Monitor(const HostConfig& config, std::size_t bytes) : host{config}, ram{bytes} {
    host.set_iommufds(fds);
    fds.all.push_back(&iommu);
    for (const auto& each : engines) {
      EXPECT_EQ(each->bind(iommu), 0);
      each->be_master();
    }
    ioas = iommu.ioas();
  }

  Host host;
  Iommufds fds;
  Iommu iommu{host, 100};
  std::vector<std::unique_ptr<Source>> engines = open_all(host);
  Source& engine{*engines.front()};
  Pages ram;
  std::uint32_t ioas{};

private:
  static std::vector<std::unique_ptr<Source>> open_all(Host& host) {
    std::vector<std::unique_ptr<Source>> all;
    for (unsigned e = 0; e < host.engines(); ++e) {
      all.push_back(std::make_unique<Source>(host.open_engine(e)));
    }
    return all;
  }
};

} // namespace sluice::machine::test
