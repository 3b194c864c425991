// SPDX-License-Identifier: Apache-2.0
// Choices out of a fuzzer's bytes: each byte decides one; when they are used up, all choices are the first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

namespace fuzz {

class bytes {
public:
    bytes(std::uint8_t const* data, std::size_t size) noexcept : rest_(data, size) {}

    [[nodiscard]] bool used_up() const noexcept { return rest_.empty(); }
    [[nodiscard]] std::span<std::uint8_t const> rest() const noexcept { return rest_; }
    std::uint8_t next() noexcept {
        if (rest_.empty())
            return 0;
        std::uint8_t const b = rest_.front();
        rest_ = rest_.subspan(1);
        return b;
    }
    /// 0 to limit - 1; limit is at most 256.
    int below(int limit) noexcept { return limit <= 1 ? 0 : next() % limit; }
    bool one_in(int n) noexcept { return below(n) == n - 1; }
    template <class T>
    T number() noexcept {
        T value{};
        for (std::size_t i = 0; i < sizeof(T); ++i)
            value = static_cast<T>(value | static_cast<T>(static_cast<T>(next()) << (8 * i)));
        return value;
    }

private:
    std::span<std::uint8_t const> rest_;
};

/// What a fuzzer, and a replay, take for a bug found.
inline void require(bool condition, char const* what) {
    if (condition)
        return;
    std::fprintf(stderr, "FOUND: %s\n", what);
    std::abort();
}

} // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);
