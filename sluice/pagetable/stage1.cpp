#include <sluice/pagetable/make_table.hpp>

namespace sluice::pagetable {

template base::Result<OwnedPageTable> make_table<StageOne>(platform::Memory&, platform::Sync&, const Shape&,
                                                           platform::DmaBlock);

} // namespace sluice::pagetable
