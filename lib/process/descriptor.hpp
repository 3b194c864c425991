// SPDX-License-Identifier: Apache-2.0
// Descriptors that close themselves, and their way through a socket.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

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
    void reset(int descriptor = -1) noexcept;

private:
    int descriptor_ = -1;
};

/// std::system_error of errno.
[[noreturn]] void throw_errno(char const* what);

/// Most descriptors in one message.
inline constexpr std::size_t most_descriptors = 64;

/// Sends a byte, to wake the other side, and descriptors with it. False and errno when the socket does not take it.
[[nodiscard]] bool send_byte(int socket, std::span<int const> descriptors = {}, bool wait = false) noexcept;

enum class received {
    something,
    nothing,
    truncated, ///< descriptors are lost: this process may open no more
    end
};

/// Takes bytes that have come, and puts the descriptors that came with them behind `into`. All are close-on-exec. Throws std::bad_alloc.
[[nodiscard]] received receive_bytes(int socket, std::vector<unique_descriptor>& into, bool wait);

} // namespace aya::inline v1::detail
