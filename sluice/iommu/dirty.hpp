#pragma once

#include <cstdint>
#include <span>

namespace sluice::iommu {

class DirtySink {
public:
  // Memory that was written through these IOVAs. In a read section.
  virtual void dirty(std::uint64_t iova, std::uint64_t size) = 0;

protected:
  ~DirtySink() = default;
};

enum class Clear : bool { no, yes };

// One bit for each 2^shift bytes from `first` on, added to what is set. What lies beyond the words is left out.
class DirtyBitmap final : public DirtySink {
public:
  DirtyBitmap(std::uint64_t first, unsigned shift, std::span<std::uint64_t> words)
      : first_{first}, shift_{shift}, words_{words} {}

  void dirty(std::uint64_t iova, std::uint64_t size) override {
    const std::uint64_t last = iova + (size - 1);
    if (last < first_) {
      return;
    }
    const std::uint64_t from = iova > first_ ? (iova - first_) >> shift_ : 0;
    const std::uint64_t to = (last - first_) >> shift_;
    for (std::uint64_t bit = from; bit <= to && bit / 64 < words_.size(); ++bit) {
      words_[bit / 64] |= 1ULL << (bit % 64);
    }
  }
  bool test(std::uint64_t iova) const {
    const std::uint64_t bit = (iova - first_) >> shift_;
    return iova >= first_ && bit / 64 < words_.size() && (words_[bit / 64] >> (bit % 64) & 1) != 0;
  }

private:
  std::uint64_t first_;
  unsigned shift_;
  std::span<std::uint64_t> words_;
};

} // namespace sluice::iommu
