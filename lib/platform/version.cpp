// SPDX-License-Identifier: Apache-2.0
#include <aya/version.hpp>

// Two steps, so that what becomes text is the macro's value.
#define AYA_TEXT_OF(x) #x
#define AYA_VERSION_TEXT(major, minor, patch) AYA_TEXT_OF(major) "." AYA_TEXT_OF(minor) "." AYA_TEXT_OF(patch)

namespace aya::inline v1 {

std::string_view version() noexcept {
    return AYA_VERSION_TEXT(AYA_VERSION_MAJOR, AYA_VERSION_MINOR, AYA_VERSION_PATCH);
}

} // namespace aya::inline v1
