#include <sluice/driver/support.hpp>

namespace sluice::driver {

using namespace arch;

namespace {

constexpr Why unless(bool present, Why why = Why::id_register) { return present ? Why::available : why; }

Why nesting(const Capabilities& c) {
  return !c.stage1 ? Why::no_stage1 : !c.stage2 ? Why::no_stage2 : unless(c.s2fwb, Why::no_s2fwb);
}
Why pasid(const Capabilities& c) { return !c.stage1 ? Why::no_stage1 : unless(c.substream_bits != 0, Why::no_pasid); }
Why dirty(const Capabilities& c, bool coherent) {
  return !c.dirty ? Why::id_register : unless(coherent, Why::incoherent_walks);
}

} // namespace

Why why_not(const Capabilities& c, bool coherent, Facility facility) {
  switch (facility) {
  case Facility::stage1:
    return unless(c.stage1);
  case Facility::stage2:
    return unless(c.stage2);
  case Facility::nesting:
    return nesting(c);
  case Facility::pasid:
  case Facility::sva:
    return pasid(c);
  case Facility::ats:
    return unless(c.ats);
  case Facility::pri:
    return unless(c.pri);
  case Facility::stalls:
    return unless(c.stalls != StallModel::terminate);
  case Facility::dirty:
    return dirty(c, coherent);
  case Facility::range_invalidation:
    return unless(c.range_invalidate);
  case Facility::resizing:
    return unless(c.resizes);
  }
  return Why::not_implemented;
}

} // namespace sluice::driver
