// SPDX-License-Identifier: Apache-2.0
// Who called: for reports in debug mode.
#pragma once

#include <array>
#include <string>

namespace aya::inline v1::detail {

class stack_trace {
public:
    /// The calls that led here.
    static stack_trace here() noexcept;
    /// Those that led to the function that asks, where they stay for ever: one that was kept before is not kept again. So the memory is bounded by the places in the program. Null if
    /// there is no memory, or if there are very many of them. Any thread; needs no lock.
    [[nodiscard]] static stack_trace const* kept() noexcept;

    /// A line a call, the innermost first: function, if the program exports its symbols, or else file and offset, as addr2line takes them.
    [[nodiscard]] std::string text() const;

    bool operator==(stack_trace const&) const = default;

private:
    std::array<void*, 24> calls_{};
    int size_ = 0;
};

/// Around a fork(), so that the child can call text().
void lock_stack_lines() noexcept;
void unlock_stack_lines() noexcept;

} // namespace aya::inline v1::detail
