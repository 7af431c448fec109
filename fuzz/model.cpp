// Registers, queues and tables of sluice/model, against the slow reference of fuzz/reference.
#include "model/program.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sluice::fuzz::Input input{data, size};
  sluice::fuzz::Program{input}.run();
  return 0;
}
