#pragma once

namespace sluice::preload {

// Programs that this one starts from now on are not put on the machine, which is in use. Changes the environment where
// it stands, as other threads may be reading it.
void spare_children();

} // namespace sluice::preload
