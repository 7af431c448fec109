#pragma once

#include <sluice/iommu/change.hpp>

#include <cstdint>
#include <span>

// Pages that devices need and have not got, and wait for: a transaction that the IOMMU has stalled, or a group of pages
// that a PCIe function has asked for (PRI). Each group is answered exactly once, by whoever comes first: the handler,
// the time-out, or the end of the attachment that it came through.
namespace sluice::iommu {

class Device;
class Domain;

struct PageRequest {
  std::uint64_t iova{};
  bool read{};
  bool write{};
  bool execute{};
  bool privileged{};
};

enum class PageResponse : std::uint8_t {
  served,  // the pages are there: try again
  invalid, // there is nothing at these addresses
  failed, // they cannot be had, now or later; a PCIe function then asks for no more pages, of anybody, until one of its
          // attachments to domains that serve such requests ends
};

// Names a group until it is answered; an old one names nothing.
class PageTicket {
public:
  constexpr PageTicket() = default;
  friend constexpr bool operator==(const PageTicket&, const PageTicket&) = default;

private:
  friend class PageRequests;
  constexpr PageTicket(std::uint32_t slot, std::uint32_t generation) : slot_{slot}, generation_{generation} {}

  std::uint32_t slot_{};
  std::uint32_t generation_{}; // 0: none
};

// Valid during the call that hands it over.
struct PageRequestGroup {
  Device* device{};
  Domain* domain{};
  Target target{};
  bool stalled{};      // the transaction itself waits: one page
  std::uint16_t tag{}; // what hardware calls it
  std::span<const PageRequest> pages;
  PageTicket ticket; // for Unit::respond, there and then or later
};

// Called in a read section, from an interrupt, from whoever polls, or from whoever takes away the last domain that
// serves page requests of a device: no waiting, no attach, no destroy, no lock that is held around such calls.
class PageRequestHandler {
public:
  virtual void on_page_requests(const PageRequestGroup& group) = 0;

protected:
  ~PageRequestHandler() = default;
};

} // namespace sluice::iommu
