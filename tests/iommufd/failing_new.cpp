#include "failing_new.hpp"

#include <cstdlib>
#include <new>

namespace sluice::iommufd::test {
namespace {

constexpr long never = -1;
thread_local long good_left = never;
thread_local bool has_failed = false;

} // namespace

FailingNew::FailingNew(long good) {
  has_failed = false;
  good_left = good;
}
FailingNew::~FailingNew() { good_left = never; }
bool FailingNew::failed() { return has_failed; }

namespace {
void* allocate(std::size_t size) {
  if (good_left >= 0 && good_left-- == 0) {
    has_failed = true;
    throw std::bad_alloc{};
  }
  if (void* const block = std::malloc(size != 0 ? size : 1)) {
    return block;
  }
  throw std::bad_alloc{};
}
} // namespace

} // namespace sluice::iommufd::test

// Of the whole program.
void* operator new(std::size_t size) { return sluice::iommufd::test::allocate(size); }
void* operator new[](std::size_t size) { return sluice::iommufd::test::allocate(size); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
