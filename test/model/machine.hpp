// SPDX-License-Identifier: Apache-2.0
// In place of a pool of threads: workers that are virtual threads, each of which runs what is queued for it until all tasks are over. For one source
// file: the library's sources come with it.
#pragma once

#include "whole_tasks.hpp"

namespace aya::inline v1::detail {

namespace {

/// In place of the thread pool: a queue for each worker, and deques for what gathers fork, if there are to be any.
class machine final : public scheduler {
    struct worker : thread_context {
        explicit worker(std::atomic<std::uint32_t> const& idle) : lane(true, idle) {}
        injection_queue queue;
        fork_lane lane;
    };

public:
    explicit machine(std::size_t workers, bool forking = false)
        : scheduler(reinterpret_cast<runtime_core&>(no_runtime), false, tasks_), tasks_(workers) {
        for (std::size_t i = 0; i < workers; ++i) {
            worker& w = *workers_.emplace_back(std::make_unique<worker>(nobody_sleeps_));
            w.home = this;
            w.index = static_cast<std::uint32_t>(i);
            w.forks = forking ? &w.lane : nullptr;
        }
    }

    /// What is made in a worker's thread.
    template <class F>
    auto within(std::size_t which, F f) {
        struct visit {
            explicit visit(thread_context& c) { current_thread = &c; }
            ~visit() { current_thread = nullptr; }
        } const here(*workers_[which]);
        return f();
    }

    template <class T>
    task_handle<T> start(std::size_t on, task<T> t) {
        auto handle = within(on, [&] { return prepare(*this, std::move(t), {}); });
        task_state& state = *handle_access::state(handle);
        state.add_first_completion(ends_.emplace_back(*this));
        ++alive_;
        places_[&state] = on;
        schedule(state);
        return handle;
    }

    /// Workers stay for a task that admit() will start.
    void expect_one() { ++alive_; }
    /// runtime_core::start(), from a thread of no runtime: `t` is registered first, and cancelled then if it is `refused()`.
    template <class T, class F>
    task_handle<T> admit(task<T> t, F refused) {
        auto handle = prepare(*this, std::move(t), {});
        task_state& state = *handle_access::state(handle);
        static_cast<void>(state.add_completion(ends_.emplace_back(*this)));
        places_[&state] = 0;
        if (refused())
            handle.cancel();
        schedule(state);
        return handle;
    }
    /// runtime_core::drain(), when memory is short: until no task is left.
    void cancel_all() {
        while (state_reference const t = tasks_.next_to_cancel()) {
            if (t->cancelling() == 0)
                t->cancel({});
            else
                while (!t->done())
                    model::world->relax();
        }
    }

    /// The body of a worker's thread.
    void work(std::size_t which) {
        worker& me = *workers_[which];
        current_thread = &me;
        for (;;) {
            std::uint32_t const before = model::world->writes_of_others();
            if (alive_ == 0 && tasks_.size() == 0) // what a gather has left behind is over, too
                break;
            bool const found = run_forked(me) || run_queued(me) || (me.forks != nullptr && steal(which));
            if (!found && before == model::world->writes_of_others())
                model::world->relax();
        }
        current_thread = nullptr;
    }

    /// The body of the clock's thread: all deadlines pass.
    void pass_time() {
        worker me(nobody_sleeps_);
        me.home = this;
        current_thread = &me;
        while (alive_ != 0) {
            std::uint32_t const before = model::world->writes_of_others();
            if (timer* const t = timers_.pop_due(time_point(std::chrono::hours(1))))
                t->expire(*t);
            else if (before == model::world->writes_of_others())
                model::world->relax();
        }
        current_thread = nullptr;
    }

    /// The same outside the model, where nothing else runs.
    void work_alone() {
        within(0, [this] {
            while (alive_ != 0)
                run_queued(*workers_[0]);
        });
    }

    void require_empty() {
        if (tasks_.size() != 0)
            model::world->fail("a task has not ended");
        if (timers_.size() != 0)
            model::world->fail("a timer is left");
    }

    void schedule(ready& r) noexcept override {
        auto const [place, is_new] = places_.try_emplace(&r, next_place_);
        if (is_new)
            next_place_ = (next_place_ + 1) % workers_.size();
        if (!queued_.insert(&r).second)
            model::world->fail("a task is queued twice");
        workers_[place->second]->queue.push(r);
    }
    void fork(ready& chain) noexcept override {
        for (ready* r = &chain; r != nullptr;) {
            ready* const next = r->next;
            schedule(*r);
            r = next;
        }
    }
    void fork_child(task_state& child) noexcept override { schedule(child); }
    time_point now() const noexcept override { return {}; }
    bool is_over(time_point) const noexcept override { return false; }
    timer_queue& timers() noexcept override { return timers_; }

private:
    struct end final : completion {
        explicit end(machine& m) noexcept : completion([](completion& c, task_state&) noexcept { --static_cast<end&>(c).of->alive_; }), of(&m) {}
        machine* of;
    };

    static bool run_forked(worker& me) {
        if (me.forks == nullptr || me.lane.deque.empty())
            return false;
        ready* const r = me.lane.deque.pop();
        if (r != nullptr)
            r->run(*r);
        return r != nullptr;
    }
    bool run_queued(worker& me) {
        ready* r = me.queue.pop_all();
        bool const any = r != nullptr;
        while (r != nullptr) {
            ready* const next = r->next;
            queued_.erase(r);
            r->run(*r);
            r = next;
        }
        return any;
    }
    bool steal(std::size_t thief) {
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            if (i == thief)
                continue;
            if (ready* const r = workers_[i]->lane.deque.steal()) {
                r->run(*r);
                return true;
            }
        }
        return false;
    }

    alignas(runtime_core) static inline std::byte no_runtime[sizeof(runtime_core)]{}; // asked for what is null there

    std::atomic<std::uint32_t> const nobody_sleeps_{0};
    task_registry tasks_;
    timer_queue timers_;
    std::vector<std::unique_ptr<worker>> workers_;
    std::map<ready const*, std::size_t> places_; // each task stays with its worker
    std::set<ready const*> queued_;
    std::deque<end> ends_;
    std::size_t next_place_ = 0, alive_ = 0;
};

} // namespace

void fork_lane::push_elsewhere(thread_context& here, ready& r) noexcept { here.home->schedule(r); }
void fork_lane::want_help(thread_context&) noexcept {}

} // namespace aya::inline v1::detail

namespace {

using namespace std::chrono_literals;
using aya::detail::machine;
using model::change;
using model::check;
using model::explorer;
using model::var;

void require(bool holds, char const* otherwise) {
    if (!holds)
        model::world->fail(otherwise);
}

// What the one who asks is told must come true: a request that was taken is what the task ends by, as nothing here swallows it.
template <class T>
void require_answer(bool told, aya::task_handle<T> const& h) {
    require(h.done(), "a task has not ended");
    require(told == h.cancelled(), told ? "a request is lost" : "a task was cancelled though cancel() said no");
}

template <class Stage>
void spawn_workers(explorer& e, std::shared_ptr<Stage> const& s, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
        e.spawn([s, i] { s->pool.work(i); });
}

} // namespace
