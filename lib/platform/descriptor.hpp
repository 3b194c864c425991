// SPDX-License-Identifier: Apache-2.0
// A file descriptor that closes itself.
#pragma once

#include <utility>

namespace aya::inline v1::detail {

class unique_descriptor {
public:
    unique_descriptor() = default;
    explicit unique_descriptor(int descriptor) noexcept : descriptor_(descriptor) {}
    unique_descriptor(unique_descriptor&& other) noexcept : descriptor_(other.release()) {}
    unique_descriptor& operator=(unique_descriptor&& other) noexcept {
        reset(other.release());
        return *this;
    }
    ~unique_descriptor() { reset(); }

    [[nodiscard]] int get() const noexcept { return descriptor_; }
    [[nodiscard]] explicit operator bool() const noexcept { return descriptor_ >= 0; }
    [[nodiscard]] int release() noexcept { return std::exchange(descriptor_, -1); }
    /// Leaves errno as it is.
    void reset(int descriptor = -1) noexcept;

private:
    int descriptor_ = -1;
};

} // namespace aya::inline v1::detail
