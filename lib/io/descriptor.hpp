// SPDX-License-Identifier: Apache-2.0
// A descriptor on its way to the Asio object that will own it: that may fail, and then it is closed.
#pragma once

#include "platform/descriptor.hpp"

#include <boost/system/error_code.hpp>

namespace aya::inline v1::io::detail {

using aya::detail::unique_descriptor;

/// std::system_error with `what`.
[[noreturn]] void throw_errno(int error, char const* what);

/// `object` owns the descriptor from now on, which is non-blocking. Throws std::system_error.
template <class Object, class... Protocol>
void hand_over(unique_descriptor descriptor, Object& object, Protocol const&... protocol) {
    boost::system::error_code failed;
    object.assign(protocol..., descriptor.get(), failed);
    if (failed)
        throw_errno(failed.value(), "aya::io: a descriptor");
    (void)descriptor.release();
    object.non_blocking(true, failed);
    if (failed)
        throw_errno(failed.value(), "aya::io: a descriptor");
}

} // namespace aya::inline v1::io::detail
