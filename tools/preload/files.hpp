#pragma once

#include "paths.hpp"

#include <sluice/machine/queues.hpp>
#include <sluice/platform/log.hpp>
#include <sluice/vfio/host.hpp>

namespace sluice::preload {

// A new descriptor of /dev/iommu, of a VFIO device, or of a file that says what QEMU is about to do. -1 with errno set.
int open_device(const Path& path);
// What SLUICE_FDS promises. Ends the process with a message where it cannot be kept.
void make_given_descriptors();

// Which of our descriptors are /dev/iommu.
vfio::Iommufds& open_files();

// A client has been given a queue.
void give_queue(int fd, std::shared_ptr<machine::QueueLink> link);

// What the driver has to say.
void report_note(const platform::Note& note);

} // namespace sluice::preload
