#include <sluice/driver/tags.hpp>

#include <bit>

namespace sluice::driver {

Tags::~Tags() {
  if (taken_ != nullptr) {
    memory_.free(taken_, words_ * sizeof(std::uint64_t));
  }
}

base::Status Tags::make(unsigned bits) {
  const std::size_t words = (std::size_t{1} << bits) / per_word;
  auto room = memory_.alloc(words * sizeof(std::uint64_t));
  if (!room) {
    return room.error();
  }
  taken_ = static_cast<std::uint64_t*>(*room);
  words_ = words;
  taken_[0] = 1;
  return {};
}

base::Result<std::uint16_t> Tags::take() {
  const platform::SpinGuard guard{sync_, lock_};
  for (std::size_t i = 0; i < words_; ++i) {
    const std::size_t word = (next_ + i) % words_;
    if (taken_[word] != ~0ULL) {
      const auto bit = static_cast<unsigned>(std::countr_one(taken_[word]));
      taken_[word] |= 1ULL << bit;
      next_ = word;
      return static_cast<std::uint16_t>(word * per_word + bit);
    }
  }
  return base::Errc::ids_exhausted;
}

bool Tags::claim(std::uint16_t tag) {
  const platform::SpinGuard guard{sync_, lock_};
  const std::size_t word = tag / per_word;
  const std::uint64_t bit = 1ULL << (tag % per_word);
  if (word >= words_ || (taken_[word] & bit) != 0) {
    return false;
  }
  taken_[word] |= bit;
  return true;
}

void Tags::give_back(std::uint16_t tag) {
  const platform::SpinGuard guard{sync_, lock_};
  taken_[tag / per_word] &= ~(1ULL << (tag % per_word));
}

} // namespace sluice::driver
