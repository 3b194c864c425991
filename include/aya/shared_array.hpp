// SPDX-License-Identifier: Apache-2.0
// shared_array<T>: an array that goes to another process, or comes from it, without being copied.
#pragma once

#include <aya/detail/shared_block.hpp>

#include <cstddef>
#include <cstring>
#include <limits>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace aya::inline v1 {

/// Whether T's bytes alone are its value in another process too. True for numbers and enumerations; specialise it for your own trivially
/// copyable types that hold neither pointers nor views, and of which every bit pattern is a value (no bool in them):
///
///     template <>
///     inline constexpr bool aya::is_sent_as_bytes<point> = true;
template <class T>
inline constexpr bool is_sent_as_bytes = std::is_arithmetic_v<T> || std::is_enum_v<T>;

/// A fixed number of T, zero at first. Move-only. From 64 KiB on it lies in a file in memory and holds one descriptor; moved into a job of a
/// process_pool, or returned by one, only that descriptor travels. Smaller ones are copied. Mirrors multiprocessing.shared_memory.
template <class T>
class shared_array {
    static_assert(is_sent_as_bytes<T> && std::is_trivially_copyable_v<T> && alignof(T) <= alignof(std::max_align_t),
                  "aya::shared_array<T>: T must be trivially copyable and aya::is_sent_as_bytes<T> true");
    static_assert(!std::is_same_v<T, bool>, "aya::shared_array<bool>: not every byte of another process is a bool; use unsigned char");

public:
    using value_type = T;

    shared_array() = default;
    /// Throws std::bad_array_new_length, std::bad_alloc, and std::system_error when there is no descriptor to be had.
    explicit shared_array(std::size_t count) : block_(bytes(count)) {}
    /// A copy of `values`.
    explicit shared_array(std::span<T const> values) : shared_array(values.size()) {
        if (!values.empty())
            std::memcpy(block_.data(), values.data(), values.size_bytes());
    }

    [[nodiscard]] T* data() noexcept { return static_cast<T*>(block_.data()); }
    [[nodiscard]] T const* data() const noexcept { return static_cast<T const*>(block_.data()); }
    [[nodiscard]] std::size_t size() const noexcept { return block_.size() / sizeof(T); }
    [[nodiscard]] bool empty() const noexcept { return block_.size() == 0; }
    [[nodiscard]] T* begin() noexcept { return data(); }
    [[nodiscard]] T* end() noexcept { return data() + size(); }
    [[nodiscard]] T const* begin() const noexcept { return data(); }
    [[nodiscard]] T const* end() const noexcept { return data() + size(); }
    [[nodiscard]] T& operator[](std::size_t i) noexcept { return data()[i]; }
    [[nodiscard]] T const& operator[](std::size_t i) const noexcept { return data()[i]; }

    // For those who send it.
    explicit shared_array(detail::shared_block&& block) noexcept : block_(std::move(block)) {}
    [[nodiscard]] detail::shared_block take_block() && noexcept { return std::move(block_); }

private:
    static std::size_t bytes(std::size_t count) {
        if (count > std::numeric_limits<std::size_t>::max() / 2 / sizeof(T))
            throw std::bad_array_new_length();
        return count * sizeof(T);
    }

    detail::shared_block block_;
};

} // namespace aya::inline v1
