// SPDX-License-Identifier: Apache-2.0
// Trees of gathers whose nodes compute, suspend, fail, catch, ask who they are, and are cancelled from above and from outside.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

namespace {

struct tree {
    explicit tree(std::uint64_t stream, std::size_t bad) : random(stream), one_fails_in(bad) {}

    // Called by many workers: a generator that needs no lock.
    std::size_t below(std::size_t limit) {
        std::uint64_t x = counter.fetch_add(0x9e3779b97f4a7c15ULL) + random;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
        return static_cast<std::size_t>((x ^ (x >> 31)) % limit);
    }

    std::uint64_t const random;
    std::size_t const one_fails_in; // 0: none
    std::atomic<std::uint64_t> counter{0};
    std::atomic<long> begun{0};
    std::atomic<long> ended{0};
    test::census census;
};

struct step {
    explicit step(tree& t) : of(t) { of.begun.fetch_add(1); }
    ~step() { of.ended.fetch_add(1); }
    tree& of;
};

aya::task<long> node(tree& t, int depth, test::census::resident) {
    step const here(t);
    if (t.one_fails_in != 0 && t.below(t.one_fails_in) == 0)
        throw std::runtime_error("a node");
    switch (t.below(8)) {
    case 0:
        co_await aya::yield();
        break;
    case 1:
        co_await aya::sleep(std::chrono::microseconds(t.below(50)));
        break;
    case 2:
        (void)aya::current_task().name();
        break;
    case 3:
        co_await aya::to_thread([] {});
        break;
    default:
        break;
    }
    if (depth == 0)
        co_return 1;
    std::vector<aya::task<long>> children;
    std::size_t const count = 1 + t.below(4);
    for (std::size_t i = 0; i < count; ++i)
        children.push_back(node(t, depth - 1, t.census.make()));
    long sum = 1;
    if (t.below(4) == 0) {
        auto const outcomes = co_await aya::gather(aya::return_exceptions, std::move(children));
        for (auto const& o : outcomes)
            sum += o ? o.value() : 0;
    } else if (t.below(4) == 0) {
        bool failed = false;
        try {
            auto const values = co_await aya::gather(std::move(children));
            for (long const v : values)
                sum += v;
        } catch (std::runtime_error const&) {
            failed = true;
        }
        if (failed)
            co_await aya::gather(node(t, 0, t.census.make()), node(t, 0, t.census.make()));
    } else {
        auto const values = co_await aya::gather(std::move(children));
        for (long const v : values)
            sum += v;
    }
    co_return sum;
}

} // namespace

TEST_CASE("stress: trees of gathers that fail and are cancelled leave nothing behind") {
    test::stress_clock const clock;
    std::uint64_t round = 0;
    do {
        for (std::size_t const workers : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{4}}) {
            CAPTURE(workers);
            test::random_source random(9000 + ++round);
            tree t(test::seed() + round, random.one_in(2) ? 0 : 5 + random.below(200));
            {
                aya::runtime rt(test::kind{workers}.options());
                bool const cancels = random.one_in(2);
                bool const timed = random.one_in(3);
                auto const limit = std::chrono::microseconds(random.below(400));
                int const depth = 3 + static_cast<int>(random.below(3));
                auto body = [&]() -> aya::task<> {
                    try {
                        if (timed)
                            (void)co_await aya::timeout(limit, node, std::ref(t), depth, t.census.make());
                        else
                            (void)co_await aya::gather(node(t, depth, t.census.make()), node(t, depth, t.census.make()));
                    } catch (std::runtime_error const&) {
                    }
                };
                auto const h = rt.spawn(body);
                if (cancels) {
                    test::thread_crew crew;
                    crew.add([&h, n = random.below(2000)] {
                        for (std::size_t i = 0; i < n; ++i)
                            std::atomic_signal_fence(std::memory_order_seq_cst);
                        h.cancel("stress");
                    });
                    rt.wait(h);
                    crew.join();
                } else {
                    rt.wait(h);
                }
                CHECK((h.cancelled() || h.exception() == nullptr));
                if (!cancels)
                    CHECK_FALSE(h.cancelled());
            } // what failed gathers left behind ends here
            CHECK(t.begun.load() == t.ended.load());
            CHECK(t.census.live() == 0);
        }
    } while (clock.running());
    MESSAGE(round, " trees");
}

TEST_CASE("stress: a deep tree that only computes is given up soon after its timeout") {
    for (std::size_t const workers : {std::size_t{1}, std::size_t{2}}) {
        std::atomic<long> leaves{0}; // a leaf that has begun may count itself after the timeout
        aya::runtime rt(test::kind{workers}.options());
        struct deep {
            static aya::task<> descend(std::atomic<long>& leaves, int depth) {
                if (depth == 0) {
                    leaves.fetch_add(1);
                    co_return;
                }
                co_await aya::gather(descend(leaves, depth - 1), descend(leaves, depth - 1));
            }
        };
        auto body = [&]() -> aya::task<bool> {
            try {
                co_await aya::timeout(std::chrono::milliseconds(20), deep::descend, std::ref(leaves), 60);
            } catch (aya::timeout_error const&) {
                co_return true;
            }
            co_return false;
        };
        CHECK(rt.block_on(body));
    }
}
