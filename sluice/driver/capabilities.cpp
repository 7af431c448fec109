#include <sluice/driver/capabilities.hpp>

#include <sluice/arch/queues.hpp>

namespace sluice::driver {

using base::Errc;
using namespace arch;

namespace {

// What no SMMUv3 can say of itself.
bool contradicts(const IdRegisters& id) {
  const bool no_stage = !has(id, Feature::s1p) && !has(id, Feature::s2p);
  const bool reserved = id.idr0.get(IDR0::TTF) == Ttf::reserved || id.idr0.get(IDR0::TTENDIAN) == TtEndian::reserved ||
                        id.idr0.get(IDR0::STALL_MODEL) == StallModel::reserved ||
                        id.idr3.get(IDR3::BBML) == Bbml::reserved || id.idr5.get(IDR5::VAX) == Vax::reserved;
  const bool sizes = id.idr1.get(IDR1::CMDQS) > max_queue_log2 || id.idr1.get(IDR1::EVENTQS) > max_queue_log2 ||
                     id.idr1.get(IDR1::PRIQS) > max_queue_log2 || stream_id_bits(id) > 32 || substream_id_bits(id) > 20;
  const bool no_granule =
      !has_granule(id, Granule::k4) && !has_granule(id, Granule::k16) && !has_granule(id, Granule::k64);
  return no_stage || reserved || sizes || no_granule;
}

// What there may be, but not for this driver.
bool unusable(const IdRegisters& id) {
  const bool format = !has_aarch64_tables(id) || id.idr0.get(IDR0::TTENDIAN) == TtEndian::big;
  const bool preset =
      id.idr1.get(IDR1::TABLES_PRESET) == 1 || id.idr1.get(IDR1::QUEUES_PRESET) == 1 || id.idr1.get(IDR1::REL) == 1;
  const bool tiny = id.idr1.get(IDR1::CMDQS) == 0; // a command and its CMD_SYNC need two entries
  return format || preset || tiny || id.aidr.get(AIDR::ArchMajorRev) != 0;
}

} // namespace

base::Result<Capabilities> decode(const IdRegisters& id) {
  if (contradicts(id)) {
    return Errc::bad_hardware;
  }
  if (unusable(id)) {
    return Errc::missing_feature;
  }
  Capabilities c;
  c.id = id;
  c.stage1 = has(id, Feature::s1p);
  c.stage2 = has(id, Feature::s2p);
  c.hyp = c.stage1 && c.stage2 && has(id, Feature::hyp);
  c.ats = has(id, Feature::ats);
  c.pri = c.ats && has(id, Feature::pri);
  c.two_level_streams = id.idr0.get(IDR0::ST_LEVEL) == StLevel::two_level;
  c.two_level_cds = id.idr0.get(IDR0::CD2L) == 1;
  c.stalls = id.idr0.get(IDR0::STALL_MODEL);
  c.asid_bits = asid_bits(id);
  c.vmid_bits = vmid_bits(id);
  c.stream_bits = stream_id_bits(id);
  c.substream_bits = substream_id_bits(id);
  c.command_queue_log2 = static_cast<unsigned>(id.idr1.get(IDR1::CMDQS));
  c.event_queue_log2 = static_cast<unsigned>(id.idr1.get(IDR1::EVENTQS));
  c.page_request_queue_log2 = static_cast<unsigned>(id.idr1.get(IDR1::PRIQS));
  c.attr_types = has(id, Feature::attr_types);
  c.range_invalidate = has(id, Feature::range_tlbi);
  c.s2fwb = c.stage2 && id.idr3.get(IDR3::FWB) == 1;
  c.resizes = id.idr3.get(IDR3::BBML) == Bbml::level2;
  c.dirty = id.idr0.get(IDR0::HTTU) >= Httu::access_dirty;
  c.output_bits = oas_bits(id);
  c.virtual_bits = va_bits(id);
  return c;
}

} // namespace sluice::driver
