#pragma once

#include <sluice/hosted/random.hpp>
#include <sluice/scenario/event_book.hpp>
#include <sluice/scenario/traffic.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace sluice::scenario {

struct ChangeCounts {
  std::array<std::array<std::uint64_t, kinds>, kinds> replaced{}; // [from][to]
  std::uint64_t hitless{};                                        // of those, as the driver says
  std::uint64_t maps{};
  std::uint64_t unmaps{};
  std::uint64_t reborn{}; // domains destroyed and made anew with other memory

  std::uint64_t replaced_in_all() const;
};

// Replaces domains under running traffic, maps and unmaps, and makes domains anew: what, when and where a generator
// decides. One actor.
class Changer {
public:
  // Makes the spaces and decides where the streams' windows are. Throws hosted::SetupError, machine::DriverRefused.
  Changer(const Site& site, std::vector<Stream>& streams, EventBook& events, hosted::Random random, Findings& findings);
  ~Changer();

  // Before the traffic begins. Throws machine::DriverRefused.
  void attach_all();
  // One thing, or only a turn of waiting where the traffic has to come along first.
  void step();
  // When the traffic has ended: detaches all and ends all spaces.
  void finish();

  // No access is awaited that has to be refused.
  bool nothing_probed() const;

  const ChangeCounts& counts() const { return counts_; }

private:
  struct Slot {
    std::unique_ptr<Space> space;
    unsigned attached{};
    std::vector<std::uint64_t> last; // per stream: in whose history it was last attached, and where
  };
  struct Leased {
    platform::DmaBlock block{};
    Space* space{}; // null: no lease
    std::uint64_t iova{};
    bool mapped{};
  };

  std::unique_ptr<Space> make(Kind kind);
  std::unique_ptr<Space> make_process(std::uint32_t owner);
  bool replace(Stream& stream);
  bool give_birth();
  bool begin_lease(Stream& stream);
  bool go_on_with_lease(Stream& stream);
  void unmap(Leased& leased);
  bool left_behind(const Slot& slot) const;
  Slot& slot_of(const Stream& stream) { return slots_[current_[stream.index]]; }
  void failed(const Stream& stream, const char* what, base::Errc error);

  const Site site_;
  std::vector<Stream>& streams_;
  EventBook& events_;
  hosted::Random random_;
  Findings& findings_;
  std::vector<Window> windows_;
  std::vector<Slot> slots_;
  std::vector<std::size_t> current_; // per stream: its slot
  std::vector<Leased> leased_;       // per stream
  std::uint32_t last_owner_{0};
  ChangeCounts counts_;
};

} // namespace sluice::scenario
