#include <sluice/hosted/log.hpp>

namespace sluice::hosted {

void Log::write(const platform::Note& note) {
  {
    const std::lock_guard guard{mutex_};
    ++counts_.at(static_cast<std::size_t>(note.severity));
    if (notes_.size() == capacity_) {
      notes_.pop_front();
      ++dropped_;
    }
    notes_.push_back(note);
  }
  if (sink_) {
    sink_(note);
  }
}

std::vector<platform::Note> Log::notes() const {
  const std::lock_guard guard{mutex_};
  return {notes_.begin(), notes_.end()};
}

std::size_t Log::count(platform::Severity severity) const {
  const std::lock_guard guard{mutex_};
  return counts_.at(static_cast<std::size_t>(severity));
}

std::size_t Log::dropped() const {
  const std::lock_guard guard{mutex_};
  return dropped_;
}

void Log::clear() {
  const std::lock_guard guard{mutex_};
  notes_.clear();
  counts_ = {};
  dropped_ = 0;
}

} // namespace sluice::hosted
