// SPDX-License-Identifier: Apache-2.0
#include "platform/descriptor.hpp"

#include <cerrno>

#include <unistd.h>

namespace aya::inline v1::detail {

void unique_descriptor::reset(int descriptor) noexcept {
    if (descriptor_ >= 0) {
        int const error = errno;
        ::close(descriptor_);
        errno = error;
    }
    descriptor_ = descriptor;
}

} // namespace aya::inline v1::detail
