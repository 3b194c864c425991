// SPDX-License-Identifier: Apache-2.0
// Who decides, in place of an event loop, which ready step comes next: see aya::testing::explore().
#pragma once

#include <cstddef>

namespace aya::inline v1::detail {

class step_order {
public:
    /// Which of so many, at least one. On the loop's thread.
    virtual std::size_t choose(std::size_t ready) noexcept = 0;
    /// Nothing is ready, no timer is armed, and somebody waits; the wait has to end now.
    virtual void stuck() noexcept = 0;

protected:
    ~step_order() = default;
};

} // namespace aya::inline v1::detail
