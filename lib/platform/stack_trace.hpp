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

    /// A line a call, the innermost first: function, if the program exports its symbols, or else file and offset, as addr2line takes them.
    [[nodiscard]] std::string text() const;

private:
    std::array<void*, 24> calls_{};
    int size_ = 0;
};

} // namespace aya::inline v1::detail
