#pragma once

#include <ports/qemu/edu.hpp>
#include <ports/qemu/machine.hpp>
#include <sluice/differential/frontend.hpp>
#include <sluice/differential/rival.hpp>

#include <optional>
#include <string>

namespace sluice::ports::qemu {

// Stock QEMU's SMMUv3 with edu behind it, without a driver.
class Rival final : public differential::Rival {
public:
  // Throws hosted::SetupError.
  explicit Rival(const VirtOptions& options);

  differential::Ram& ram() override { return ram_; }
  differential::Seen run(const differential::Case& c, std::optional<std::uint64_t> expected) override;
  std::string failure() override;

  std::uint32_t stream_id() const { return stream_; }
  // What the SMMU says that it has.
  std::uint32_t idr(unsigned n) { return machine_.frame.read32(4 * n); }

private:
  std::optional<std::uint64_t> landed(std::optional<std::uint64_t> expected, bool search) const;

  Machine machine_;
  differential::Ram ram_;
  differential::Frontend software_;
  std::uint32_t stream_{};
  std::optional<Edu> edu_;
  std::string failure_;
};

} // namespace sluice::ports::qemu
