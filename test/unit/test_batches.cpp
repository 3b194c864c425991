// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <ranges>
#include <stdexcept>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

TEST_CASE("batches: each element once, in order, and the last batch is shorter") {
    for (int const count : {0, 1, 3, 4, 7, 8}) {
        CAPTURE(count);
        std::vector<int> all;
        std::vector<std::size_t> sizes;
        for (auto& batch : aya::batches(std::views::iota(0, count), 4)) {
            sizes.push_back(batch.size());
            all.insert(all.end(), batch.begin(), batch.end());
        }
        CHECK(std::ranges::equal(all, std::views::iota(0, count)));
        CHECK(sizes.size() == static_cast<std::size_t>((count + 3) / 4));
        for (std::size_t i = 0; i + 1 < sizes.size(); ++i)
            CHECK(sizes[i] == 4);
    }
    CHECK_THROWS_AS((void)aya::batches(std::views::iota(0, 5), 0), std::invalid_argument);
}

TEST_CASE("batches: a gather for each, so that no more tasks than that are alive") {
    everywhere([]() -> aya::task<> {
        std::vector<int> ids(50);
        for (int i = 0; i < 50; ++i)
            ids[static_cast<std::size_t>(i)] = i;
        std::atomic<int> alive{0};
        std::atomic<int> most{0};
        auto fetch = [&](int id) -> aya::task<int> {
            int const now = alive.fetch_add(1) + 1;
            for (int seen = most.load(); seen < now && !most.compare_exchange_weak(seen, now);) {
            }
            co_await aya::sleep(1ms);
            alive.fetch_sub(1);
            co_return 2 * id;
        };
        std::vector<int> results;
        for (auto& batch : aya::batches(ids, 8)) {
            std::vector<int> const some = co_await aya::gather(batch | std::views::transform(fetch));
            results.insert(results.end(), some.begin(), some.end());
        }
        CHECK(most.load() == 8);
        CHECK(aya::now() == aya::time_point(7ms));
        bool right = results.size() == 50;
        for (std::size_t i = 0; i < results.size(); ++i)
            right = right && results[i] == 2 * static_cast<int>(i);
        CHECK(right);
    });
}
