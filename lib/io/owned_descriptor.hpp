// SPDX-License-Identifier: Apache-2.0
// A descriptor on its way to the Asio object that will own it: that may fail, and then it is closed here.
#pragma once

#include <boost/system/error_code.hpp>

#include <utility>

#include <unistd.h>

namespace aya::inline v1::io::detail {

/// std::system_error with `what`.
[[noreturn]] void throw_errno(int error, char const* what);

class owned_descriptor {
public:
    owned_descriptor() = default;
    explicit owned_descriptor(int d) noexcept : descriptor_(d) {}
    owned_descriptor(owned_descriptor&& other) noexcept : descriptor_(other.release()) {}
    owned_descriptor& operator=(owned_descriptor&& other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    ~owned_descriptor() {
        if (descriptor_ >= 0)
            ::close(descriptor_);
    }
    [[nodiscard]] int get() const noexcept { return descriptor_; }
    [[nodiscard]] int release() noexcept { return std::exchange(descriptor_, -1); }

private:
    int descriptor_ = -1;
};

/// `object` owns the descriptor from now on, which is non-blocking. Throws std::system_error.
template <class Object, class... Protocol>
void hand_over(owned_descriptor descriptor, Object& object, Protocol const&... protocol) {
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
