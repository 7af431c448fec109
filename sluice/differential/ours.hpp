#pragma once

#include <sluice/differential/frontend.hpp>
#include <sluice/hosted/free.hpp>
#include <sluice/hosted/sync.hpp>
#include <sluice/hosted/time.hpp>
#include <sluice/model/port.hpp>
#include <sluice/model/smmu.hpp>

#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace sluice::differential {

// A word that the model reads otherwise than it is, by its PA.
using Overlay = std::map<std::uint64_t, std::uint64_t>;

// A structure or descriptor read of the model's.
struct Fetch {
  std::uint64_t address{};
  std::uint64_t value{};
};

// What the model made of a case.
struct Answer {
  Seen seen;
  model::Outcome outcome{};
  std::optional<std::uint64_t> pa; // that the transaction was translated to, RAM or not
  std::vector<Fetch> fetches;      // in order
  bool strayed{};                  // it looked at what is neither RAM nor empty, or would overwrite what is no target

  bool translated() const { return pa.has_value(); }
};

// The model, on the same memory as its rival. Clients' writes do not reach the memory.
class Ours {
public:
  Ours(const model::Features& features, const model::Knobs& knobs, Ram& ram);
  ~Ours();

  Answer run(const Case& c, const Overlay& overlay = {});

private:
  class Image;
  class Frame;

  hosted::FreeSchedule schedule_;
  hosted::Sync sync_{schedule_};
  hosted::Time time_{schedule_};
  std::unique_ptr<Image> image_;
  std::unique_ptr<model::Smmu> smmu_;
  std::unique_ptr<Frame> frame_;
  std::unique_ptr<Frontend> software_;
  std::unique_ptr<model::Port> port_;
};

} // namespace sluice::differential
