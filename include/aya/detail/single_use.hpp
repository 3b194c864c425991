// SPDX-License-Identifier: Apache-2.0
// What may be awaited once: until then it may be moved, and what it was moved from may not be awaited any more.
#pragma once

#include <utility>

namespace aya::inline v1::detail {

class single_use {
public:
    single_use() = default;
    single_use(single_use&& other) noexcept : spent_(std::exchange(other.spent_, true)) {}

    /// True once.
    [[nodiscard]] bool spend() noexcept { return !std::exchange(spent_, true); }

private:
    bool spent_ = false;
};

} // namespace aya::inline v1::detail
