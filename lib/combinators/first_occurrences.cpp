// SPDX-License-Identifier: Apache-2.0
#include <aya/wait.hpp>

#include <algorithm>
#include <functional>
#include <numeric>

namespace aya::inline v1::detail {

std::vector<std::size_t> first_occurrences(std::vector<task_state const*> const& states) {
    std::vector<std::size_t> order(states.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    // By state, and equal ones by index, so that the first one is kept.
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return states[a] == states[b] ? a < b : std::less<>()(states[a], states[b]);
    });
    order.erase(std::unique(order.begin(), order.end(),
                            [&](std::size_t a, std::size_t b) { return states[a] == states[b]; }),
                order.end());
    std::sort(order.begin(), order.end());
    return order;
}

} // namespace aya::inline v1::detail
