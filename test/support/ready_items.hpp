// SPDX-License-Identifier: Apache-2.0
// Numbered ready objects, for the tests of the queues that carry them.
#pragma once

#include <aya/detail/ready.hpp>

#include <atomic>
#include <cstddef>
#include <memory>

namespace test {

struct item final : aya::detail::ready {
    item() : ready(&nothing) {}
    static void nothing(ready&) noexcept {}

    std::size_t number = 0;
    std::atomic<int> taken{0};
};

class item_set {
public:
    explicit item_set(std::size_t count) : count_(count), items_(std::make_unique<item[]>(count)) {
        for (std::size_t i = 0; i < count; ++i)
            items_[i].number = i;
    }
    item& operator[](std::size_t i) noexcept { return items_[i]; }
    [[nodiscard]] std::size_t size() const noexcept { return count_; }
    /// How many were not taken exactly once.
    [[nodiscard]] std::size_t wrong() const {
        std::size_t n = 0;
        for (std::size_t i = 0; i < count_; ++i)
            n += items_[i].taken.load() == 1 ? 0 : 1;
        return n;
    }

private:
    std::size_t count_;
    std::unique_ptr<item[]> items_;
};

inline item& as_item(aya::detail::ready* r) noexcept { return static_cast<item&>(*r); }

} // namespace test
