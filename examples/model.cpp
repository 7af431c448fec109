// The hardware model alone in an emulator of one thread: one stream, an access, and one that faults and leaves an
// event.
#include <cstring>
#include <sluice/arch/registers.hpp>
#include <sluice/arch/ste.hpp>
#include <sluice/model/port.hpp>
#include <vector>
using namespace sluice;
// clang-format off
struct : model::Bus { // 64 KB from address 0
  std::vector<char> bytes = std::vector<char>(0x10000);
  bool has(std::uint64_t at, std::size_t size) { return at < bytes.size() && size <= bytes.size() - at; }
  bool read(const model::BusAccess& a, void* to) override { return has(a.address, a.size) && memcpy(to, &bytes[a.address], a.size); }
  bool write(const model::BusAccess& a, const void* from) override { return has(a.address, a.size) && memcpy(&bytes[a.address], from, a.size); }
  bool read64(std::uint64_t at, const model::Attributes&, std::uint64_t& word) override { return has(at, 8) && memcpy(&word, &bytes[at], 8); }
  bool compare_exchange64(std::uint64_t, const model::Attributes&, std::uint64_t&, std::uint64_t) override { return false; }
  bool message(const model::BusAccess&, std::uint32_t) override { return false; } void pulse(model::Wire) override {}
} memory;
struct : platform::Sync { // nobody else is there
  void lock(platform::Mutex&) override {} void unlock(platform::Mutex&) override {} void read_enter() override {} void read_exit() override {}
  platform::IrqState lock(platform::SpinLock&) override { return 0; } void unlock(platform::SpinLock&, platform::IrqState) override {}
  void retire(platform::Retired& object) override { object.free(object); } void reclaim() override {}
} nobody;
struct : platform::Time { std::uint64_t now_ns() override { return 0; } void relax() override {} } system_time;
int main() {
  const auto smmu = std::move(*model::Smmu::make({}, {}, memory, nobody, system_time));
  arch::Ste ste; // of stream 1, in a table of two at 0x1000; the event queue is at 0x2000
  ste.set(arch::Ste::V, 1).set(arch::Ste::Config, arch::SteConfig::bypass);
  std::memcpy(&memory.bytes[0x1040], ste.w.data(), 64);
  smmu->write(arch::STRTAB_BASE::offset, 8, 0x1000);
  smmu->write(arch::STRTAB_BASE_CFG::offset, 4, 1);
  smmu->write(arch::EVENTQ_BASE::offset, 8, 0x2000 | 4);
  smmu->write(arch::CR0::offset, 4, arch::CR0::SMMUEN.mask | arch::CR0::EVENTQEN.mask);
  model::Port port{*smmu};
  std::uint64_t data = 42;
  const bool served = port.access({1, {}, 0x8000, 8, true}, &data).served() && memory.bytes[0x8000] == 42;
  const bool refused = !port.access({0, {}, 0x8000, 8, true}, &data).served(); // STE 0 has V 0
  return served && refused && memory.bytes[0x2000] == 4 ? 0 : 1; // the event C_BAD_STE
}
