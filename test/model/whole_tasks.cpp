// SPDX-License-Identifier: Apache-2.0
// Tasks as users write them, on workers that are virtual threads: each runs what is queued for it until all tasks are over. Cancellers, setters and the
// clock are threads of their own.
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

// --- a task awaits another one -------------------------------------------------------------------------------------------------------------

struct joining {
    machine pool{2};
    var<int> seen;
    bool told = false;
    aya::task_handle<int> child, parent;
};
aya::task<int> give(joining* s) {
    s->seen.set(7);
    co_return 7;
}
aya::task<int> wait_for(joining* s) {
    int const value = co_await s->child;
    require(value == s->seen.get(), "a result is lost");
    co_return value;
}

check join(explorer& e) {
    auto const s = std::make_shared<joining>();
    s->child = s->pool.start(0, give(s.get()));
    s->parent = s->pool.start(1, wait_for(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] { s->told = s->parent.cancel(); });
    return [s] {
        require_answer(s->told, s->parent);
        s->pool.require_empty();
    };
}

// The request stops at the shield, and the target's end may be on its way.
check shielded(explorer& e) {
    auto const s = std::make_shared<joining>();
    s->child = s->pool.start(0, give(s.get()));
    s->parent = s->pool.start(1, [](joining* j) -> aya::task<int> {
        int const value = co_await aya::shield(j->child);
        require(value == j->seen.get(), "a result is lost");
        co_return value;
    }(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] { s->told = s->parent.cancel(); });
    return [s] {
        require(!s->child.cancelled() && s->child.result() == 7, "a shielded task was cancelled");
        require_answer(s->told, s->parent);
        s->pool.require_empty();
    };
}

// The handles go while the task ends, from two threads.
check drop(explorer& e) {
    struct dropped {
        machine pool{1};
        var<int> alive{1};
        aya::task_handle<std::shared_ptr<int>> one, two;
    };
    auto const s = std::make_shared<dropped>();
    s->one = s->pool.start(0, [](dropped* d) -> aya::task<std::shared_ptr<int>> {
        co_return std::shared_ptr<int>(new int(1), [d](int* i) {
            d->alive.set(0);
            delete i;
        });
    }(s.get()));
    s->two = s->one;
    spawn_workers(e, s, 1);
    e.spawn([s] { s->one = {}; });
    e.spawn([s] {
        if (s->two.done())
            require(*s->two.result() == 1 && s->alive.get() == 1, "a result is gone while there is a handle");
        s->two = {};
    });
    return [s] {
        require(s->alive.get() == 0, "a task's state is left");
        s->pool.require_empty();
    };
}

// A future is set while it is cancelled, and a task waits for it.
check future(explorer& e) {
    struct setting {
        machine pool{1};
        var<int> made;
        bool set = false, told = false;
        std::optional<aya::promise<int>> promise;
        aya::future<int> result;
        aya::task_handle<int> waiter;
    };
    auto const s = std::make_shared<setting>();
    s->pool.within(0, [&] { s->promise.emplace(); });
    s->result = s->promise->get_future();
    s->waiter = s->pool.start(0, [](setting* p) -> aya::task<int> {
        int const value = co_await p->result;
        require(p->made.get() == value, "a result is lost");
        co_return value;
    }(s.get()));
    spawn_workers(e, s, 1);
    e.spawn([s] {
        s->made.set(7);
        s->set = s->promise->try_set_value(7);
    });
    e.spawn([s] { s->told = s->result.cancel(); });
    return [s] {
        require(s->set != s->told, s->set ? "a future was set and cancelled" : "a future was neither set nor cancelled");
        require(s->result.cancelled() == s->told && s->waiter.cancelled() == s->told, "a future's end is not what was said");
        s->pool.require_empty();
    };
}

// --- mutex, semaphore, condition -----------------------------------------------------------------------------------------------------------

check semaphore(explorer& e) {
    struct permits {
        machine pool{1};
        aya::semaphore free{0};
        bool told = false;
        aya::task_handle<void> taker;
    };
    auto const s = std::make_shared<permits>();
    s->taker = s->pool.start(0, [](permits* p) -> aya::task<> { (co_await p->free.acquire()).forget(); }(s.get()));
    spawn_workers(e, s, 1);
    e.spawn([s] { s->free.release(); });
    e.spawn([s] { s->told = s->taker.cancel(); });
    return [s] {
        // Cancelled behind its last suspension, it has the permit.
        bool const left = s->free.try_acquire();
        require(!s->told || s->taker.cancelled(), "a request is lost");
        require(s->taker.cancelled() || !left, "a permit was made");
        require(!s->free.try_acquire(), "a permit was given back twice");
        s->pool.require_empty();
    };
}

struct locking {
    machine pool{2};
    aya::mutex mutex;
    var<int> value{0};
    int entered = 0;
    bool told = false;
    aya::task_handle<void> tasks[2];
};
aya::task<> enter(locking* s) {
    auto const held = co_await s->mutex.lock();
    s->value.set(s->value.get() + 1);
    ++s->entered;
}

check mutex(explorer& e) {
    auto const s = std::make_shared<locking>();
    s->tasks[0] = s->pool.start(0, enter(s.get()));
    s->tasks[1] = s->pool.start(1, enter(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] { s->told = s->tasks[1].cancel(); });
    return [s] {
        require(s->value.get() == s->entered, "two held a mutex at once");
        require(s->mutex.try_lock(), "a mutex is left locked");
        require_answer(s->told, s->tasks[1]);
        s->pool.require_empty();
    };
}

// A task that was notified wants the mutex again, whether it is cancelled or not.
check condition(explorer& e) {
    struct waiting : locking {
        aya::condition_variable changed{mutex};
        var<int> ready{0};
    };
    auto const s = std::make_shared<waiting>();
    s->tasks[0] = s->pool.start(0, [](waiting* w) -> aya::task<> {
        auto const held = co_await w->mutex.lock();
        while (w->ready.get() == 0)
            co_await w->changed.wait(held);
    }(s.get()));
    s->tasks[1] = s->pool.start(1, [](waiting* w) -> aya::task<> {
        auto const held = co_await w->mutex.lock();
        w->ready.set(1);
        w->changed.notify();
    }(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] { s->told = s->tasks[0].cancel(); });
    return [s] {
        require(s->mutex.try_lock(), "a mutex is left locked");
        require_answer(s->told, s->tasks[0]);
        s->pool.require_empty();
    };
}

// --- timeout ---------------------------------------------------------------------------------------------------------------------------------

struct timing {
    machine pool{1};
    aya::semaphore free{0};
    bool told = false, timed_out = false, got = false;
    aya::task_handle<int> timed;
};
aya::task<int> take(timing* s) {
    (co_await s->free.acquire()).forget();
    s->got = true;
    co_return 1;
}
aya::task<int> take_in_time(timing* s) {
    int value = 0;
    try {
        value = co_await aya::timeout_at(aya::time_point(1s), take, s);
    } catch (aya::timeout_error const&) {
        s->timed_out = true;
    }
    co_await aya::yield(); // a request that was left behind would be delivered here
    co_return value;
}

check timeout(explorer& e) {
    auto const s = std::make_shared<timing>();
    s->timed = s->pool.start(0, take_in_time(s.get()));
    spawn_workers(e, s, 1);
    e.spawn([s] { s->pool.pass_time(); });
    e.spawn([s] { s->free.release(); });
    return [s] {
        require(!s->timed.cancelled(), "a scope's request goes on behind it");
        require(s->timed_out || s->got, "neither in time nor too late");
        require(s->free.try_acquire() != s->got, s->got ? "a permit was made" : "a permit is lost");
        require(s->timed.cancelling() == 0, "a scope's request is still counted");
        s->pool.require_empty();
    };
}

check timeout_cancelled(explorer& e) {
    auto const s = std::make_shared<timing>();
    s->timed = s->pool.start(0, take_in_time(s.get()));
    spawn_workers(e, s, 1);
    e.spawn([s] { s->pool.pass_time(); });
    e.spawn([s] { s->told = s->timed.cancel(); });
    return [s] {
        require_answer(s->told, s->timed);
        s->pool.require_empty();
    };
}

// --- groups ------------------------------------------------------------------------------------------------------------------------------------

struct grouping {
    machine pool{2};
    aya::semaphore never{0};
    var<int> last{0};
    bool told = false, thrown = false;
    aya::task_handle<void> parent;
};
aya::task<> fail_soon(grouping*) {
    throw std::runtime_error("planned");
    co_return;
}
aya::task<> wait_long(grouping* s) {
    struct leaving {
        ~leaving() { of->last.set(1); }
        grouping* of;
    } const at_the_end{s};
    (co_await s->never.acquire()).forget();
}
aya::task<> two_children(aya::task_group& g, grouping* s) {
    g.create_task(wait_long(s));
    g.create_task(fail_soon(s));
    co_return;
}
aya::task<> one_child(aya::task_group& g, grouping* s) {
    g.create_task(wait_long(s));
    co_return;
}

check group_fails(explorer& e) {
    auto const s = std::make_shared<grouping>();
    s->parent = s->pool.start(0, [](grouping* g) -> aya::task<> {
        try {
            co_await aya::with_task_group(two_children, g);
        } catch (aya::exception_group const& all) {
            g->thrown = all.exceptions().size() == 1;
        }
        require(g->last.get() == 0 || g->last.get() == 1, "");
        co_await aya::yield();
    }(s.get()));
    spawn_workers(e, s, 2);
    return [s] {
        require(s->parent.done() && !s->parent.cancelled(), "a group's own request goes on behind it");
        require(s->thrown, "a failure is lost");
        s->pool.require_empty();
    };
}

check group_cancelled(explorer& e) {
    auto const s = std::make_shared<grouping>();
    s->parent = s->pool.start(0, [](grouping* g) -> aya::task<> {
        struct leaving {
            ~leaving() { static_cast<void>(of->last.get()); } // a race unless the child is over
            grouping* of;
        } const at_the_end{g};
        co_await aya::with_task_group(one_child, g);
    }(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] {
        s->told = s->parent.cancel();
        s->never.release(); // where the request came first, for nobody
    });
    return [s] {
        require_answer(s->told, s->parent);
        s->pool.require_empty();
    };
}

// --- the end of a runtime, while a task comes in -------------------------------------------------------------------------------------------

check shutdown(explorer& e) {
    struct ending {
        machine pool{1};
        std::atomic<bool> closing{false};
        var<int> steps{0};
        aya::task_handle<void> late;
    };
    auto const s = std::make_shared<ending>();
    s->pool.expect_one();
    spawn_workers(e, s, 1);
    e.spawn([s, &e] {
        auto const body = [](ending* of) -> aya::task<> {
            of->steps.set(1);
            co_return;
        };
        s->late = s->pool.admit(body(s.get()), [&] { return !e.planted("start.no-look-at-the-end") && s->closing.load(); });
    });
    e.spawn([s, &e] {
        if (e.planted("end.cancels-before-it-closes"))
            s->pool.cancel_all();
        s->closing.store(true);
        if (!e.planted("end.cancels-before-it-closes"))
            s->pool.cancel_all();
        static_cast<void>(s->steps.get()); // a race unless what came in has run before, or never does
    });
    return [s] {
        require(s->late.done(), "a task has not ended");
        s->pool.require_empty();
    };
}

// --- gathers -----------------------------------------------------------------------------------------------------------------------------------

struct gathering {
    explicit gathering(bool forking) : pool(2, forking) {}
    machine pool;
    aya::semaphore permit{0};
    var<int> parts[3];
    bool told = false, thrown = false;
    aya::task_handle<int> children[2], parent;
};
aya::task<int> part(gathering* s, int which) {
    s->parts[which].set(which + 1);
    co_return which + 1;
}
aya::task<int> sum_of_handles(gathering* s) {
    auto const [a, b] = co_await aya::gather(s->children[0], s->children[1]);
    require(a == s->parts[0].get() && b == s->parts[1].get(), "a result is lost");
    co_return a + b;
}
aya::task<int> sum_of_forks(gathering* s) {
    auto const [a, b] = co_await aya::gather(part(s, 0), part(s, 1));
    require(a == s->parts[0].get() && b == s->parts[1].get(), "a result is lost");
    co_return a + b;
}

std::shared_ptr<gathering> start_with_handles(explorer& e) {
    auto const s = std::make_shared<gathering>(false);
    s->parent = s->pool.start(0, sum_of_handles(s.get())); // before the first child: that can end while it waits
    for (int i = 0; i < 2; ++i)
        s->children[i] = s->pool.start(static_cast<std::size_t>(i), part(s.get(), i));
    spawn_workers(e, s, 2);
    return s;
}

check gather_handles(explorer& e) {
    auto const s = start_with_handles(e);
    return [s] {
        require(!s->parent.cancelled() && s->parent.result() == 3, "a result is lost");
        s->pool.require_empty();
    };
}

check gather_handles_cancelled(explorer& e) {
    auto const s = start_with_handles(e);
    e.spawn([s] { s->told = s->parent.cancel(); });
    return [s] {
        require_answer(s->told, s->parent);
        s->pool.require_empty();
    };
}

// By who wants to know what it waits for.
check gather_looked_at(explorer& e) {
    auto const s = start_with_handles(e);
    e.spawn([s] { static_cast<void>(aya::detail::task_inspector::look(*aya::detail::handle_access::state(s->parent))); });
    return [s] {
        require(!s->parent.cancelled() && s->parent.result() == 3, "a result is lost");
        s->pool.require_empty();
    };
}

check gather_forks(explorer& e) {
    auto const s = std::make_shared<gathering>(true);
    s->parent = s->pool.start(0, sum_of_forks(s.get()));
    spawn_workers(e, s, 2);
    return [s] {
        require(!s->parent.cancelled() && s->parent.result() == 3, "a result is lost");
        s->pool.require_empty();
    };
}

check gather_forks_cancelled(explorer& e) {
    auto const s = std::make_shared<gathering>(true);
    s->parent = s->pool.start(0, sum_of_forks(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] { s->told = s->parent.cancel(); });
    return [s] {
        require_answer(s->told, s->parent);
        s->pool.require_empty();
    };
}

// As many steps as these take allow no search of all schedules; most of it is random.
constexpr model::limits bounds{3, 2, 10'000, 10'000};
constexpr model::limits mostly_random{3, 2, 2'000, 15'000};

// The second child leaves while the first one waits, for a permit that comes, or for a request.
aya::task<int> wait_for_permit(gathering* s) {
    (co_await s->permit.acquire()).forget();
    s->parts[2].set(1);
    co_return 1;
}
aya::task<int> fail(gathering*) {
    throw std::runtime_error("planned");
    co_return 2;
}
aya::task<int> sum_of_a_failure(gathering* s) {
    try {
        auto const [a, b] = co_await aya::gather(wait_for_permit(s), fail(s));
        co_return a + b;
    } catch (std::runtime_error const&) {
        s->thrown = true;
    }
    co_await aya::yield();
    co_return -1;
}
aya::task<int> sum_of_sums(gathering* s) {
    auto const [a, b] = co_await aya::gather(sum_of_forks(s), wait_for_permit(s));
    co_return a + b;
}

check gather_forks_fail(explorer& e) {
    auto const s = std::make_shared<gathering>(true);
    s->parent = s->pool.start(0, sum_of_a_failure(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] { s->permit.release(); });
    return [s] {
        require(s->thrown && !s->parent.cancelled() && s->parent.result() == -1, "a failure is lost");
        require(!s->permit.try_acquire(), "what was left behind has not got its permit");
        s->pool.require_empty();
    };
}

check gather_gathers_cancelled(explorer& e) {
    auto const s = std::make_shared<gathering>(true);
    s->parent = s->pool.start(0, sum_of_sums(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] { s->permit.release(); });
    e.spawn([s] { s->told = s->parent.cancel(); });
    return [s] {
        require_answer(s->told, s->parent);
        s->pool.require_empty();
    };
}

std::vector<model::scenario> const scenarios = {
    {"task: awaited, and cancelled", join,
     {{"lock relaxed", "task_state::lock()", "cas"},
      {"unlock relaxed", "task_state::unlock(", "store"},
      {"lock split", "task_state::lock()", "cas", change::split},
      {"publish_wait split", "task_state::publish_wait(", "cas", change::split},
      {"end_wait split", "task_state::end_wait(", "cas", change::split},
      {"done relaxed", "task_state::done(", "load"}},
     bounds},
    {"task: its handles go", drop,
     {{"last look relaxed", "task_state::release(", "load"},
      {"decrement relaxed", "task_state::release(", "fetch_sub"},
      {"decrement split", "task_state::release(", "fetch_sub", change::split}},
     bounds},
    {"task: shielded, and cancelled", shielded,
     {{"target's claim split", "join_awaiter::notified(", "cas", change::split},
      {"canceller's claim split", "join_awaiter::request_cancel(", "cas", change::split},
      {"target does not tell", "join_awaiter::notified(", "store", change::drop},
      {"target tells relaxed", "join_awaiter::notified(", "store"}},
     bounds},
    {"future: set, and cancelled", future,
     {{"lock split", "task_state::lock()", "cas", change::split}, {"unlock relaxed", "task_state::unlock(", "store"}}, bounds},
    {"semaphore: released, and cancelled", semaphore,
     {{"waker's claim split", "wait_list::take_first_of_some(", "cas", change::split},
      {"canceller's claim split", "waiter::claim_for_cancel(", "cas", change::split},
      {"publish_wait relaxed", "task_state::publish_wait(", "cas"}},
     bounds},
    {"mutex: handed over, and cancelled", mutex,
     {{"waker's claim split", "wait_list::take_first_of_some(", "cas", change::split},
      {"spin lock's unlock relaxed", "spin_lock::unlock(", "store"},
      {"spin lock's lock relaxed", "spin_lock::lock(", "exchange"},
      {"spin lock's lock split", "spin_lock::lock(", "exchange", change::split}},
     bounds},
    {"condition: notified, and cancelled", condition,
     {{"canceller's claim split", "waiter::claim_for_cancel(", "cas", change::split},
      {"adopted without a claim", "wait_list::adopt(", "store", change::drop}},
     bounds},
    {"timeout: in time, or not", timeout,
     {{"callback's end relaxed", "timeout_scope::fired(", "store"},
      {"callback does not tell", "timeout_scope::fired(", "store", change::drop},
      {"look at the callback relaxed", "timeout_scope::disarm(", "load"}},
     bounds},
    {"timeout: and cancelled", timeout_cancelled, {{"scope's request split", "task_state::lock()", "cas", change::split}}, bounds},
    {"group: a child fails", group_fails, {{"spin lock's unlock relaxed", "spin_lock::unlock(", "store"}}, bounds},
    {"group: cancelled", group_cancelled,
     {{"spin lock's unlock relaxed", "spin_lock::unlock(", "store"}}, bounds},
    {"shutdown: a task comes in", shutdown,
     {{"start.no-look-at-the-end"}, {"end.cancels-before-it-closes"}, {"registry unlocked early", "spin_lock::unlock(", "store"}}, bounds},
    {"gather of handles", gather_handles, {{"count relaxed", "fan_in::count_end(", "fetch_sub"}}, {1, 1, 50'000, 10'000}},
    {"gather of handles, cancelled", gather_handles_cancelled,
     {{"count split", "fan_in::count_end(", "fetch_sub", change::split},
      {"references relaxed", "fan_in::release(", "fetch_sub"}},
     bounds},
    {"gather of handles, looked at", gather_looked_at,
     {{"lock split", "task_state::lock()", "cas", change::split}}, bounds},
    {"gather of forks, stolen", gather_forks,
     {{"count relaxed", "fork_node::", "fetch_sub"},
      {"count split", "fork_node::", "fetch_sub", change::split},
      {"push relaxed", "fork_deque::push", "store"},
      {"taken back without a look", "fork_deque::take_newest(", "cas", change::split}},
     bounds},
    {"gather of forks, cancelled", gather_forks_cancelled, {}, bounds},
    {"gather of forks, one fails", gather_forks_fail, {{"count split", "fork_node::", "fetch_sub", change::split}}, mostly_random},
    {"gather of gathers, cancelled", gather_gathers_cancelled, {{"count relaxed", "fork_node::", "fetch_sub"}}, mostly_random},
};

} // namespace

std::vector<model::scenario> model::task_scenarios() {
    // Statics of the library are made here, outside the model.
    machine first(1);
    auto const h = first.start(0, []() -> aya::task<int> { co_return 1; }());
    first.work_alone();
    return scenarios;
}

void model::prepare_tasks(explorer& e) {
    e.keep_per_thread(reinterpret_cast<void**>(&aya::detail::current_thread));
    e.at_each_start([] { aya::detail::memory.used = 0; });
}
