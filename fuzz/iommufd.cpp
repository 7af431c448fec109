// Sequences of calls of sluice/iommufd and sluice/vfio, on the driver and the hardware model: whatever a program asks,
// it is answered, and when it has ended nothing of it is left.
#include "iommufd/client.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sluice::fuzz::Input input{data, size};
  sluice::fuzz::Client{sluice::fuzz::World::get(), input}.run();
  return 0;
}
