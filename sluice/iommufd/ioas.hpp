#pragma once

#include <sluice/iommu/domain.hpp>
#include <sluice/iommufd/backing.hpp>
#include <sluice/iommufd/object.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace sluice::iommufd {

inline constexpr std::uint64_t page_size = 4096;
inline constexpr std::uint64_t huge_page_size = 2ULL << 20;

struct Range {
  std::uint64_t start{};
  std::uint64_t last{};

  bool meets(const Range& other) const { return start <= other.last && other.start <= last; }
};

class Access;

// A client's address space: areas of IOVAs backed by its memory, present in each domain that stands on it.
class Ioas final : public Object {
public:
  static constexpr ObjectType object_type = ObjectType::ioas;

  Ioas() : Object{object_type} {}

  struct Request {
    std::uint64_t iova{};
    std::uint64_t length{};
    bool fixed{}; // else the lowest free IOVA is chosen
    bool read{};
    bool write{};
  };
  // Maps `backing` from `offset` on and answers the IOVA. Errors: invalid_argument, overflow, already_exists, no_space,
  // bad_address, no_memory. Nothing has changed after one.
  base::Result<std::uint64_t> map(std::shared_ptr<Backing> backing, std::uint64_t offset, const Request& request);
  // Shares what `source` has at [from, from + length). Errors: not_found (not mapped without a gap), not_permitted
  // (writing to pages that were mapped for reading), and those of map.
  base::Result<std::uint64_t> copy(const Ioas& source, std::uint64_t from, const Request& request);
  // Removes the areas inside the range, of which none is pinned by an access. Errors: not_found (none, or one that
  // reaches out of the range: those before it are gone).
  base::Result<std::uint64_t> unmap(Range range);

  // The same, up to an area that accesses have pinned: from then on nobody can pin it any more. Errors: not_found, busy
  // (it is pinned by one that cannot be asked).
  struct Unmapped {
    std::uint64_t bytes{};
    std::optional<Range> pinned{};
  };
  base::Result<Unmapped> unmap_unpinned(Range range);

  // Errors of add: reserved_range (it pins pages, and an area is not made of whole ones).
  base::Status add_access(Access& access);
  void remove_access(Access& access);
  const std::vector<Access*>& accesses() const { return accesses_; }
  // Addresses of all pages of a range, which stay until it is unpinned. Errors: not_found (a gap), invalid_argument (it
  // is being unmapped, or does not begin with a page), not_permitted, and those of pinning.
  base::Status pin(Range range, const Access& access, bool write, std::span<std::uint64_t> pages);
  void unpin(Range range, const Access& access);
  // Errors: not_found, invalid_argument (it is being unmapped), not_permitted, bad_address; what comes before may have
  // been moved.
  base::Status read(std::uint64_t iova, std::span<std::byte> into);
  base::Status write(std::uint64_t iova, std::span<const std::byte> from);

  // Puts every area into the domain, and every later one. Errors: invalid_argument (its page is larger than the
  // host's), reserved_range (an area is misaligned for it or outside its aperture), and those of pinning.
  base::Status add_domain(iommu::Domain& domain);
  void remove_domain(iommu::Domain& domain);

  // Keeps IOVAs free for `owner`, all of them or none. Errors: reserved_range (an area or an allowed range is there).
  base::Status reserve(std::span<const Range> ranges, const void* owner);
  void unreserve(const void* owner);
  // Where areas go whose IOVA the client does not name, instead of anywhere that is not reserved; none: anywhere. The
  // ranges do not meet. Errors: reserved_range (one of them is).
  base::Status allow(std::vector<Range> ranges);
  // Whether mappings may use pages larger than the host's. Errors of false: invalid_argument (hardware has areas
  // already), reserved_range (an area is not made of whole pages).
  base::Status set_huge_pages(bool wanted);
  bool huge_pages() const { return huge_pages_; }
  // No area shows memory of a process.
  bool only_files() const;
  // What may be mapped, ascending.
  std::vector<Range> usable() const;
  std::uint64_t alignment() const { return alignment_; }
  std::size_t areas() const { return areas_.size(); }
  bool maps(std::uint64_t iova) const { return area_at(iova) != areas_.end(); }
  // Calls `f` with the part of each area that is in `range`, ascending, until one answers an error.
  template <class F>
  base::Status for_each_part(Range range, F f) const {
    auto it = areas_.upper_bound(range.start);
    if (it != areas_.begin() && std::prev(it)->second.last >= range.start) {
      --it;
    }
    for (; it != areas_.end() && it->first <= range.last; ++it) {
      const Range part{std::max(it->first, range.start), std::min(it->second.last, range.last)};
      if (auto status = f(part); !status) {
        return status;
      }
    }
    return {};
  }

private:
  struct Area {
    std::uint64_t last;
    std::shared_ptr<Backing> backing;
    std::uint64_t offset;
    iommu::Prot prot;
    std::uint32_t pins{};  // by accesses
    std::uint32_t locks{}; // by those that cannot be asked
    bool closing{};        // it is being unmapped
  };
  using Areas = std::map<std::uint64_t, Area>;
  struct Reserved {
    Range range;
    const void* owner;
  };

  Areas::const_iterator area_at(std::uint64_t iova) const;
  bool area_in(const Range& range) const;
  bool reserved_in(const Range& range) const;
  base::Result<std::uint64_t> place(const Backing& backing, std::uint64_t offset, const Request& request) const;
  base::Result<std::uint64_t> choose(std::uint64_t start, std::uint64_t length) const;
  bool areas_fit(std::uint64_t alignment) const;
  base::Status put(iommu::Domain& domain, std::uint64_t iova, const Area& area) const;
  static void take(iommu::Domain& domain, std::uint64_t iova, const Area& area);
  void erase(Areas::iterator at);
  template <class F>
  base::Status for_each_whole(Range range, F f);
  template <class F>
  base::Status with_window(Area& area, std::uint64_t iova, F f);
  bool any_access_pins() const;
  void recompute_alignment();

  Areas areas_;
  std::vector<Reserved> reserved_;
  std::vector<Range> allowed_; // ascending
  std::vector<iommu::Domain*> domains_;
  std::vector<Access*> accesses_;
  std::uint64_t alignment_{1};
  bool huge_pages_{true};
};

} // namespace sluice::iommufd
