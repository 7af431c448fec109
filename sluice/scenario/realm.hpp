#pragma once

#include <sluice/iommu/domain.hpp>
#include <sluice/machine/address_space.hpp>
#include <sluice/machine/client_memory.hpp>
#include <sluice/scenario/common.hpp>
#include <sluice/scenario/realm_guest.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::scenario {

enum class RealmKind : std::uint8_t { identity, blocked, stage1, stage2, process, guest };
std::string_view name(RealmKind kind);
// 5.2: the STE says it all; there is no place for CDs of PASIDs.
constexpr bool has_whole_ste(RealmKind kind) { return kind == RealmKind::stage2 || kind == RealmKind::guest; }

// What accesses find in one cell of a realm.
struct Content {
  std::uint32_t owner{}; // of the stamps; 0: nothing is mapped
  bool writable{};
  bool gone{}; // with its process: refused, and nobody is told
};

// What targets are attached to: a domain, and for a process its address space, for a guest its two STEs. It maps cells,
// each at the address where the identity domain has memory of the same size. Its functions say false where there is
// nothing to do, or somebody else is at it; what goes wrong is a finding.
class Realm final : public iommu::PageRequestHandler {
public:
  struct Options {
    RealmKind kind{};
    bool dirty{};  // with dirty tracking
    bool serves{}; // page requests; of a guest: its devices may have ATS
    bool shared{}; // a process's ASID is its processors'
  };

  // Throws machine::DriverRefused.
  Realm(Common& common, const Options& options, std::uint32_t number);
  Realm(const Realm&) = delete;
  Realm& operator=(const Realm&) = delete;
  ~Realm();

  const Options& options() const { return options_; }
  std::string describe() const;
  bool is_guest() const { return options_.kind == RealmKind::guest; }
  // While one is a guest. `ste`: which of a guest's STEs.
  iommu::Domain& domain(std::size_t ste = 0) const { return is_guest() ? guest_->ste(ste) : *domain_; }
  // Before and after a device is attached to a guest's STE. Errors: Viommu's.
  base::Status name_device(iommu::Device& device, std::uint32_t stream) { return guest_->name(device, stream); }
  base::Status forget_device(iommu::Device& device) { return guest_->forget(device); }
  // Guests are attached, or are about to be or to be no more.
  TryLock guests;
  // Every access of the cell that reaches it meets one of these.
  const Timeline<Content>& content(std::size_t cell) const { return cells_[cell]->is; }
  bool ended() const { return ended_.load(); }

  bool map(std::size_t cell, bool writable);
  bool unmap(std::size_t cell);
  bool defer(std::size_t cell);
  bool flush();
  bool read_dirty(bool clear);
  bool rebind();
  bool rebirth();
  bool end_process();
  bool serve(bool on);
  // What waits for an answer gets it.
  bool answer_late();

  // A write that began at this moment has reached the cell.
  void wrote(std::size_t cell, std::uint32_t owner, std::uint64_t moment);
  // Ends its domain, when there are no guests.
  void close();

  void on_page_requests(const iommu::PageRequestGroup& group) override;

private:
  struct Cell {
    explicit Cell(Moments& moments) : is{moments, {}} {}
    Timeline<Content> is;
    TryLock lock; // of what follows
    platform::DmaBlock block{};
    std::uint32_t owner{};
    bool mapped{};
    bool deferred{};
    std::uint64_t mark{};
    std::uint64_t cleared{};                // moment after dirty marks were cleared
    base::Atomic<std::uint64_t> written{0}; // moment before the latest write that is known to have come here
    base::Atomic<std::uint32_t> written_owner{0};
  };
  // Nobody else does anything with the cell meanwhile.
  class Holding {
  public:
    explicit Holding(Cell& cell) : cell_{cell.lock.take() ? &cell : nullptr} {}
    Holding(const Holding&) = delete;
    Holding& operator=(const Holding&) = delete;
    ~Holding() {
      if (cell_ != nullptr) {
        cell_->lock.give();
      }
    }
    explicit operator bool() const { return cell_ != nullptr; }

  private:
    Cell* cell_;
  };
  struct Late {
    iommu::PageTicket ticket{};
    std::size_t cell{};
    bool write{};
  };

  bool translates() const { return options_.kind >= RealmKind::stage1; }
  void make_domain();
  void make_space();
  void make_guest();
  bool new_parent();
  void end_domain();
  void set_handlers(bool on);
  base::Progress put(std::size_t cell, const platform::DmaBlock& block, bool writable);
  base::Progress take(std::size_t cell);
  // With the cell held:
  bool map_held(std::size_t cell, bool writable);
  void confirm(std::size_t cell);
  void give_back(std::size_t cell);
  bool hold_all();
  void let_all_go();
  void empty_all(const Content& content);
  iommu::PageResponse serve_page(std::size_t cell, bool write);
  void failed(const char* what, base::Errc error);

  Common& common_;
  const Options options_;
  const std::uint32_t number_;
  iommu::Domain* domain_{};
  std::unique_ptr<machine::AddressSpace> space_;
  std::unique_ptr<RealmGuest> guest_;
  std::vector<std::unique_ptr<Cell>> cells_;
  base::Atomic<bool> ended_{false};
  std::mutex late_mutex_; // nothing is waited for while it is held
  std::vector<Late> late_;
};

} // namespace sluice::scenario
