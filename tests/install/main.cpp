#include <sluice/base/result.hpp>
#include <sluice/model/smmu.hpp>
#include <sluice/vsmmu/vsmmu.hpp>

#include <cstdint>

int main() {
  sluice::base::Result<std::uint32_t> result{7u};
  const auto nothing = sluice::vsmmu::offer({}, {}); // of a host without tables
  return result && *result == 7 && !nothing ? 0 : 1;
}
