#include <sluice/base/result.hpp>
#include <sluice/model/smmu.hpp>

#include <cstdint>

int main() {
  sluice::base::Result<std::uint32_t> result{7u};
  return result && *result == 7 ? 0 : 1;
}
