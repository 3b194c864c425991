// SPDX-License-Identifier: Apache-2.0
// A request to cancel that stops half-way down a chain of awaits, at the memory that it takes there, while what it goes to ends.
#include <aya/aya.hpp>

#include "support/harness.hpp"
#include "support/shortage.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

TEST_CASE("E07: cancelled just before what it awaits ends, which happens while the request is on its way") {
    aya::runtime rt(test::kind{1}.options());
    std::atomic<bool> go{false}, waiting{false};
    std::atomic<int> turns{0};
    aya::event never;
    auto leaf = [&]() -> aya::task<> {
        while (!go.load()) {
            if (waiting.load())
                turns.fetch_add(1);
            co_await aya::yield();
        }
    };
    auto top = [&](aya::task_handle<> below) -> aya::task<> {
        waiting.store(true);
        co_await below;
        co_await never.wait(); // where the request has to be found
    };
    auto const inner = rt.spawn(leaf);
    auto const outer = rt.spawn(top, inner);
    CHECK(test::eventually_outside([&] { return turns.load() > 2; }));
    bool ended = false;
    // The request takes memory to go on to `inner`.
    test::next_allocation::calls([&] {
        go.store(true);
        ended = test::eventually_outside([&] { return inner.done(); });
    });
    CHECK(outer.cancel());
    CHECK_FALSE(test::next_allocation::is_to_come());
    CHECK(ended);
    CHECK(test::eventually_outside([&] { return outer.done(); }, std::chrono::seconds(20)));
    never.set();
    rt.wait(outer);
    CHECK(outer.cancelled());
    CHECK_FALSE(inner.cancelled());
}

namespace {

// Waits until it is cancelled, and calls a function when the request comes, while it holds that up.
class held_up final : public aya::detail::suspension {
public:
    explicit held_up(std::function<void()> const& f) : when_asked_(&f) {}

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h) {
        task_ = &*h.promise().task;
        (void)task_->begin_wait(*this, h);
    }
    void await_resume() {
        (void)task_->end_wait();
        task_->throw_cancelled();
    }

private:
    verdict request_cancel(aya::detail::cancel_walk&) noexcept override {
        (*when_asked_)();
        return verdict::claimed;
    }

    std::function<void()> const* when_asked_;
    aya::detail::task_state* task_ = nullptr;
};

struct failure {
    std::shared_ptr<void> last; // whose deleter is called when the exception goes
};

aya::task<> gather_both(aya::task_handle<> task, aya::future<int> future) {
    try {
        co_await aya::gather(std::move(task), std::move(future));
    } catch (failure const&) {
        co_return;
    }
}

} // namespace

// top -> middle -> (left -> (lower -> leaf, z), b). The request comes by left, lower, leaf, z and b.
TEST_CASE("E07: a task whose pending request is on its way does not wait for destructors of what the request comes by") {
    aya::runtime rt(test::kind{3}.options());
    std::atomic<bool> went_on{false}, destroyed{false}, went_on_meanwhile{false};
    aya::promise<int> z(rt);
    std::optional<aya::promise<int>> b(std::in_place, rt);
    aya::task_handle<> left, middle;
    // When the request is at the leaf, all else ends, and nobody has references to `b` but the request.
    std::function<void()> const end_all = [&] {
        z.set_exception(std::make_exception_ptr(failure{}));
        CHECK(test::eventually_outside([&] { return left.done(); }));
        std::shared_ptr<void> const slow(nullptr, [&](void*) {
            went_on_meanwhile.store(test::eventually_outside([&] { return went_on.load(); }, std::chrono::seconds(5)));
            destroyed.store(true);
        });
        b->set_exception(std::make_exception_ptr(failure{slow}));
        b.reset();
        CHECK(test::eventually_outside([&] { return middle.done(); }));
    };
    auto hold_up = [&]() -> aya::task<> {
        co_await held_up(end_all);
    };
    auto wait_for = [](aya::task_handle<> below) -> aya::task<> { co_await below; };
    auto top = [&](aya::task_handle<> below) -> aya::task<> {
        CHECK(aya::current_task().cancel()); // found when it begins to wait
        co_await below;
        went_on.store(true);
    };
    auto const leaf = rt.spawn(hold_up);
    auto const lower = rt.spawn(wait_for, leaf);
    left = rt.spawn(gather_both, lower, z.get_future());
    middle = rt.spawn(gather_both, left, b->get_future());
    CHECK(test::eventually_outside([&] {
        auto const tasks = aya::capture_tasks(rt).tasks;
        return std::count_if(tasks.begin(), tasks.end(), [](auto const& t) { return t.phase == aya::task_phase::waiting; }) == 4;
    }));
    rt.wait(rt.spawn(top, middle));
    CHECK(test::eventually_outside([&] { return destroyed.load(); }));
    CHECK(went_on_meanwhile.load());
    CHECK(test::eventually_outside([&] { return lower.done(); }));
}
