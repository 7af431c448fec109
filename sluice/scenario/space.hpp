#pragma once

#include <sluice/iommu/unit.hpp>
#include <sluice/machine/address_space.hpp>
#include <sluice/machine/client_memory.hpp>
#include <sluice/scenario/findings.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::scenario {

enum class Kind : std::uint8_t { stage1, stage2, identity, process };
constexpr std::size_t kinds = 4;
std::string_view name(Kind kind);

// Where a stream works: `source` is read, `destination` written.
struct Window {
  std::uint64_t source{};
  std::uint64_t destination{};
};

// One domain, and the memory that it gives to all streams' windows. The source pages say on each word whose they are;
// what the destination pages must hold is kept a second time, so that a write that landed in the wrong domain shows.
// The identity domain's windows are where its memory lies, and all others' windows are at the same addresses.
class Space {
public:
  static constexpr std::uint64_t window_size = 4 * 4096;

  // The identity domain, with memory for `streams` streams. Throws hosted::SetupError.
  Space(machine::ClientMemory& memory, iommu::Domain& identity, std::uint32_t owner, std::size_t streams);
  // A paging domain, which is the Space's from now on, with these windows mapped. Throws hosted::SetupError,
  // machine::DriverRefused.
  Space(machine::ClientMemory& memory, iommu::Domain& domain, Kind kind, std::uint32_t owner,
        const std::vector<Window>& windows);
  // A process and the domain that stands on it, with the same.
  Space(machine::ClientMemory& memory, std::unique_ptr<machine::AddressSpace> process, iommu::Domain& domain,
        std::uint32_t owner, const std::vector<Window>& windows);
  Space(const Space&) = delete;
  Space& operator=(const Space&) = delete;
  ~Space();

  iommu::Domain& domain() { return domain_; }
  Kind kind() const { return kind_; }
  std::uint32_t owner() const { return owner_; }
  // By whoever has the tables: the domain, or the process that it stands on.
  base::Progress map(std::uint64_t iova, std::uint64_t pa, std::uint64_t size, iommu::Prot prot);
  base::Progress unmap(std::uint64_t iova, std::uint64_t size);
  // Of the identity domain: where it puts the streams' windows.
  std::vector<Window> windows() const;
  std::string describe() const;

  // Of the one who makes a stream's traffic: what its destination holds, and what it must hold from now on.
  void destination(std::size_t stream, std::uint64_t offset, void* into, std::uint64_t size) const;
  void expect(std::size_t stream, std::uint64_t offset, const void* bytes, std::uint64_t size);
  // Looks whether all memory is as it must be, and ends the domain. When nothing is attached and no traffic can reach
  // it any more.
  void retire(Findings& findings);

private:
  struct Buffers {
    platform::DmaBlock source;
    platform::DmaBlock destination;
    std::vector<std::byte> expected;
  };

  void audit(Findings& findings) const;
  void add_buffers();
  void fill(const std::vector<Window>& windows);
  void map_window(const Window& window, const Buffers& buffers);

  machine::ClientMemory& memory_;
  std::unique_ptr<machine::AddressSpace> process_;
  iommu::Domain& domain_;
  Kind kind_;
  bool retired_{false};
  std::uint32_t owner_;
  std::vector<Window> windows_;
  std::vector<Buffers> buffers_;
};

} // namespace sluice::scenario
