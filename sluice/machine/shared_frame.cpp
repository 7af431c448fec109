#include <sluice/machine/shared_frame.hpp>

#include <sluice/base/atomic.hpp>

#include <algorithm>
#include <cstring>

namespace sluice::machine {

namespace {

using arch::register_map;
using base::Atomic;
using base::Order;

// Either side tells the other something by the registers in front, and what it tells of lies in those behind: a queue
// is set up before CR0 enables it, CMDQ_CONS has its ERR before GERROR says so. Whoever reads goes from the front to
// the back and whoever writes from the back to the front, so that what is told is never older than the news of it.
constexpr std::array told_by{
    arch::CR0ACK::offset,      arch::CR0::offset,       arch::GERROR::offset,      arch::GERRORN::offset,
    arch::IRQ_CTRLACK::offset, arch::IRQ_CTRL::offset,  arch::GBPA::offset,        arch::CMDQ_PROD::offset,
    arch::EVENTQ_PROD::offset, arch::PRIQ_PROD::offset, arch::EVENTQ_CONS::offset, arch::PRIQ_CONS::offset,
};

// Indices of register_map.
constexpr auto make_order() {
  std::array<std::size_t, register_map.size()> order{};
  std::size_t at = 0;
  for (const std::uint32_t offset : told_by) {
    order[at++] = static_cast<std::size_t>(arch::find_register(offset) - register_map.data());
  }
  for (std::size_t i = 0; i < register_map.size(); ++i) {
    if (std::find(told_by.begin(), told_by.end(), register_map[i].offset) == told_by.end()) {
      order[at++] = i;
    }
  }
  return order;
}
constexpr auto front_to_back = make_order();

template <class F>
void back_to_front(F f) {
  for (auto i = front_to_back.rbegin(); i != front_to_back.rend(); ++i) {
    f(*i);
  }
}

template <class Word>
Atomic<Word>& word_at(std::byte* memory, std::size_t index) {
  return *reinterpret_cast<Atomic<Word>*>(memory + register_map[index].offset);
}

} // namespace

SharedFrame::SharedFrame(platform::Mmio& smmu, void* memory) : smmu_{smmu}, memory_{static_cast<std::byte*>(memory)} {
  std::memset(memory_, 0, bytes);
  show({});
}

bool SharedFrame::poll() {
  Values found{};
  for (const std::size_t i : front_to_back) {
    found[i] = load(i);
  }
  const bool taken = take(found);
  return show(found) || taken;
}

std::uint64_t SharedFrame::load(std::size_t index) const {
  return register_map[index].width == 64 ? word_at<std::uint64_t>(memory_, index).load(Order::acquire)
                                         : word_at<std::uint32_t>(memory_, index).load(Order::acquire);
}

// Unless software has written since.
void SharedFrame::replace(std::size_t index, std::uint64_t found, std::uint64_t now) {
  if (register_map[index].width == 64) {
    word_at<std::uint64_t>(memory_, index).compare_exchange(found, now);
    return;
  }
  auto narrow = static_cast<std::uint32_t>(found);
  word_at<std::uint32_t>(memory_, index).compare_exchange(narrow, static_cast<std::uint32_t>(now));
}

std::uint64_t SharedFrame::read(std::size_t index) {
  const auto& reg = register_map[index];
  return reg.width == 64 ? smmu_.read64(reg.offset) : smmu_.read32(reg.offset);
}

bool SharedFrame::take(const Values& found) {
  bool any = false;
  back_to_front([&](std::size_t i) {
    if (found[i] == shown_[i]) {
      return;
    }
    any = true;
    const auto& reg = register_map[i];
    if (reg.access == arch::Access::ro) {
      ++strays_;
      return;
    }
    ++writes_;
    reg.width == 64 ? smmu_.write64(reg.offset, found[i])
                    : smmu_.write32(reg.offset, static_cast<std::uint32_t>(found[i]));
  });
  return any;
}

// What software has written since it was found differs from what is shown, so that the next poll takes it.
bool SharedFrame::show(const Values& found) {
  bool any = false;
  Values now{};
  for (const std::size_t i : front_to_back) {
    now[i] = read(i);
  }
  back_to_front([&](std::size_t i) {
    if (now[i] != found[i]) {
      replace(i, found[i], now[i]);
      any = true;
    }
    shown_[i] = now[i];
  });
  return any;
}

} // namespace sluice::machine
