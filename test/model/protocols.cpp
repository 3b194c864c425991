// SPDX-License-Identifier: Apache-2.0
// Tasks, cancellation, timers, joins, jobs and groups: small models of production code with the same words, the same orders, the same steps.
#include "scenarios.hpp"

#include <aya/detail/spin_lock.hpp>

#include <memory>
#include <string>

namespace {

using namespace aya::detail;
using model::check;
using model::explorer;
using model::var;
using mo = std::memory_order;

// task_state's word with begin_wait(), end_wait(), deliver_pending() and cancel().
struct task_word {
    static constexpr std::uint64_t waiting = 1, locked = 4, must_cancel = 8;
    std::atomic<std::uint64_t> word{0};
    std::atomic<bool> queued{false};
    var<int> suspension; // 1: there is one
    int wakes = 0;

    std::uint64_t lock() {
        std::uint64_t w = word.load(mo::relaxed);
        for (;;) {
            if ((w & locked) != 0) {
                model::world->relax();
                w = word.load(mo::relaxed);
            } else if (word.compare_exchange_weak(w, w | locked, mo::acquire, mo::relaxed)) {
                return w;
            }
        }
    }
    void unlock(std::uint64_t w) { word.store(w, mo::release); }
    bool begin_wait() {
        suspension.set(1);
        std::uint64_t w = word.load(mo::relaxed);
        for (;;) {
            if ((w & locked) != 0) {
                model::world->relax();
                w = word.load(mo::relaxed);
            } else if (word.compare_exchange_weak(w, w | waiting, mo::release, mo::relaxed)) {
                return (w & must_cancel) != 0;
            }
        }
    }
    bool end_wait() {
        std::uint64_t w = word.load(mo::relaxed);
        for (;;) {
            if ((w & locked) != 0 && !model::world->planted("end_wait.no-wait-for-canceller")) {
                model::world->relax();
                w = word.load(mo::relaxed);
            } else if (word.compare_exchange_weak(w, w & ~(waiting | must_cancel), mo::acquire, mo::relaxed)) {
                return (w & must_cancel) != 0;
            }
        }
    }
    void wake() {
        if (++wakes != 1)
            model::world->fail("a task was queued twice");
        queued.store(true, mo::release);
    }
    void sleep() { // until queued
        while (!queued.load(mo::acquire))
            model::world->relax();
    }
};

// A semaphore of one permit: the holder releases while the waiting task is cancelled. Nothing may be lost or run twice.
struct semaphore_model {
    enum class claim : unsigned char { none, waker, canceller };
    spin_lock mutex;
    var<int> linked;
    var<int> permits{0};
    std::atomic<claim> claimed{claim::none};
    task_word task;
    bool cancelled = false, acquired = false;
    int passed_on = 0;

    bool claim_it(claim by) {
        if (model::world->planted("claim.load-then-store")) {
            if (claimed.load() != claim::none)
                return false;
            claimed.store(by);
            return true;
        }
        claim expected = claim::none;
        return claimed.compare_exchange_strong(expected, by);
    }
    void ask() { // waiter::request_cancel() under the word's lock, then as cancel_walk
        if (claim_it(claim::canceller)) {
            mutex.lock();
            linked.set(0);
            mutex.unlock();
            task.unlock(task.word.load(mo::relaxed) & ~task_word::locked);
            task.wake();
        } else {
            bool const lost = model::world->planted("cancel.too-late-request-lost");
            task.unlock((task.word.load(mo::relaxed) & ~task_word::locked) | (lost ? 0 : task_word::must_cancel));
        }
    }
    void cancel() {
        std::uint64_t const w = task.lock();
        if ((w & task_word::waiting) == 0) {
            task.unlock(w | task_word::must_cancel);
            return;
        }
        if (task.suspension.get() != 1)
            model::world->fail("a canceller saw no suspension");
        ask();
    }
    void release() {
        mutex.lock();
        bool const handed = linked.get() == 1 && claim_it(claim::waker);
        if (handed)
            linked.set(0);
        else
            permits.set(permits.get() + 1);
        mutex.unlock();
        if (!handed)
            return;
        if ((task.word.load(mo::relaxed) & task_word::waiting) == 0)
            model::world->fail("a task was woken before it had suspended");
        task.wake();
    }
    void acquire() {
        mutex.lock();
        if (permits.get() != 0) {
            permits.set(permits.get() - 1);
            mutex.unlock();
            acquired = true;
            return;
        }
        linked.set(1);
        bool const early = model::world->planted("suspend.unlock-before-begin_wait");
        if (early)
            mutex.unlock();
        bool const pending = task.begin_wait();
        if (!early)
            mutex.unlock();
        if (pending && !model::world->planted("begin_wait.pending-not-delivered")) {
            std::uint64_t const w = task.lock();
            if ((w & task_word::waiting) != 0 && (w & task_word::must_cancel) != 0) {
                task.word.store(w & ~task_word::must_cancel & ~task_word::locked, mo::release);
                task.lock();
                ask();
            } else {
                task.unlock(w);
            }
        }
        task.sleep();
        bool const late = task.end_wait();
        task.suspension.set(0); // the awaiter is gone
        bool const woken = claimed.load(mo::relaxed) == claim::waker;
        cancelled = late || !woken;
        acquired = !cancelled;
        if (cancelled && woken && !model::world->planted("semaphore.permit-not-given-back")) {
            mutex.lock();
            permits.set(permits.get() + 1);
            mutex.unlock();
        }
    }
};

check hand_over(explorer& e) {
    auto const s = std::make_shared<semaphore_model>();
    e.spawn([=] { s->acquire(); });
    e.spawn([=] { s->release(); });
    e.spawn([=] { s->cancel(); });
    return [s] {
        if (s->permits.get() + s->acquired != 1)
            model::world->fail("a permit is lost");
        if (!s->cancelled && (s->task.word.load() & task_word::must_cancel) == 0)
            model::world->fail("a cancellation is lost");
    };
}

check cancelled_only(explorer& e) { // nobody releases
    auto const s = std::make_shared<semaphore_model>();
    e.spawn([=] { s->acquire(); });
    e.spawn([=] { s->cancel(); });
    return [s] {
        if (!s->cancelled || s->permits.get() != 0)
            model::world->fail("a cancellation is lost");
    };
}

// timeout_scope: the timer's callback against the scope's exit, which frees it.
check timer(explorer& e) {
    enum class state : unsigned char { active, finished, expiring, expired };
    struct scope {
        std::atomic<state> word{state::active};
        std::atomic<bool> busy{true};
        spin_lock timers;
        var<int> armed{1};
        var<int> alive{1};
        std::atomic<int> requests{0};
    };
    auto const s = std::make_shared<scope>();
    e.spawn([=, &e] {
        s->timers.lock();
        bool const mine = s->armed.get() != 0;
        s->armed.set(0);
        s->timers.unlock();
        if (!mine)
            return;
        static_cast<void>(s->alive.get());
        state expected = state::active;
        if (s->word.compare_exchange_strong(expected, state::expiring)) {
            s->requests.fetch_add(1);
            s->word.store(state::expired);
        }
        static_cast<void>(s->alive.get());
        s->busy.store(false, e.planted("timeout.busy-relaxed") ? std::memory_order_relaxed : std::memory_order_release);
    });
    e.spawn([=, &e] {
        s->timers.lock();
        bool const disarmed = s->armed.get() != 0;
        s->armed.set(0);
        s->timers.unlock();
        bool in_time = disarmed;
        if (disarmed) {
            s->word.store(state::finished, std::memory_order_relaxed);
        } else {
            if (!e.planted("timeout.no-wait-for-callback"))
                while (s->busy.load(std::memory_order_acquire))
                    model::world->relax();
            state expected = state::active;
            in_time = s->word.compare_exchange_strong(expected, state::finished);
        }
        if (!in_time)
            s->requests.fetch_sub(1);
        s->alive.set(0); // the scope is gone
    });
    return [s] {
        if (s->requests.load() != 0)
            model::world->fail("a request is left over");
    };
}

// fan_in and task_group: two children end while the parent begins to wait for them.
check group(explorer& e) {
    struct block {
        std::atomic<std::size_t> left{2};
        spin_lock mutex;
        var<int> over, waiter;
        var<int> results[2];
        task_word parent;
    };
    auto const b = std::make_shared<block>();
    e.spawn([=, &e] {
        b->mutex.lock();
        bool const met = !e.planted("group.over-not-looked-at") && b->over.get() != 0;
        if (!met)
            b->waiter.set(1);
        b->mutex.unlock();
        if (!met)
            b->parent.sleep();
        if (b->results[0].get() + b->results[1].get() != 3)
            model::world->fail("the parent went on too early");
    });
    for (int t = 0; t < 2; ++t)
        e.spawn([=, &e] {
            b->results[t].set(t + 1);
            if (b->left.fetch_sub(1, e.planted("group.count-relaxed") ? mo::relaxed : mo::acq_rel) != 1)
                return;
            b->mutex.lock();
            b->over.set(1);
            bool const wake = b->waiter.get() != 0;
            b->mutex.unlock();
            if (wake)
                b->parent.wake();
        });
    return [] {};
}

// join_awaiter: the target ends while the waiting task is cancelled; the awaiter goes away when the waiting task has resumed.
check join(explorer& e) {
    enum class claim : unsigned char { none, target, canceller, canceller_seen };
    struct block {
        std::atomic<claim> claimed{claim::none};
        spin_lock target; // the lock bit of the target's word
        var<int> registered{1}, result, alive{1};
        task_word waiter;
    };
    auto const b = std::make_shared<block>();
    b->waiter.word.store(task_word::waiting, mo::relaxed);
    e.spawn([=, &e] { // finish_suspended_wait()
        b->waiter.sleep();
        static_cast<void>(b->waiter.end_wait());
        bool const cancelled = b->claimed.load() != claim::target;
        if (cancelled) {
            b->target.lock();
            bool const removed = b->registered.get() != 0;
            b->registered.set(0);
            b->target.unlock();
            if (!removed && !e.planted("join.no-wait-for-target"))
                while (b->claimed.load() != claim::canceller_seen)
                    model::world->relax();
        } else if (b->result.get() != 1) {
            model::world->fail("a result is lost");
        }
        b->alive.set(0);
    });
    e.spawn([=, &e] { // finish(), notified()
        b->result.set(1);
        b->target.lock();
        bool const mine = b->registered.get() != 0;
        b->registered.set(0);
        b->target.unlock();
        if (!mine)
            return;
        static_cast<void>(b->alive.get());
        claim expected = claim::none;
        if (b->claimed.compare_exchange_strong(expected, claim::target))
            b->waiter.wake();
        else if (!e.planted("join.target-does-not-tell"))
            b->claimed.store(claim::canceller_seen);
    });
    e.spawn([=] { // request_cancel() of a shielded join
        std::uint64_t const w = b->waiter.lock();
        if ((w & task_word::waiting) == 0) { // it has resumed
            b->waiter.unlock(w | task_word::must_cancel);
            return;
        }
        static_cast<void>(b->alive.get());
        claim expected = claim::none;
        bool const mine = b->claimed.compare_exchange_strong(expected, claim::canceller);
        b->waiter.unlock(w | (mine ? 0 : task_word::must_cancel));
        if (mine)
            b->waiter.wake();
    });
    return [] {};
}

// offload_job: a worker of the blocking pool starts the job while the waiting task abandons it.
check offload(explorer& e) {
    enum class stage : unsigned char { queued, running, done, abandoned };
    struct job {
        std::atomic<stage> word{stage::queued};
        std::atomic<int> references{2};
        var<int> value, alive{1};
        bool ran = false, taken_back = false;
        task_word waiter;
    };
    auto const j = std::make_shared<job>();
    auto const release = [j, &e] {
        static_cast<void>(j->alive.get());
        if (j->references.fetch_sub(1, e.planted("offload.references-relaxed") ? mo::relaxed : mo::seq_cst) == 1)
            j->alive.set(0);
    };
    e.spawn([=, &e] {
        stage expected = stage::queued;
        bool run = e.planted("offload.run-without-exchange") || j->word.compare_exchange_strong(expected, stage::running);
        if (run) {
            j->value.set(1);
            j->ran = true;
            expected = stage::running;
            if (j->word.compare_exchange_strong(expected, stage::done))
                j->waiter.wake();
        }
        release();
    });
    e.spawn([=] {
        stage now = j->word.load();
        bool abandoned = false;
        while (now != stage::done && !abandoned)
            abandoned = j->word.compare_exchange_weak(now, stage::abandoned);
        j->taken_back = abandoned && now == stage::queued;
        if (!abandoned) {
            j->waiter.sleep();
            if (j->value.get() != 1)
                model::world->fail("a result is lost");
        }
        release(); // the call may still run: the job keeps its arguments until both are out
    });
    return [j] {
        if (j->taken_back && j->ran)
            model::world->fail("a call ran that was abandoned before");
    };
}

// begin_wait() where the source has no lock, as offload_wait calls it, with a request pending: a second one may claim the wait as soon as it is
// published, and the task ends, and goes, before the first one's delivery.
check lockless(explorer& e) {
    struct waiting_task {
        task_word task;
        std::atomic<bool> claimed{false};
        std::atomic<int> references{2}; // the scheduler's, and the second canceller's handle
        var<int> alive{1};

        void used() {
            if (alive.get() != 1)
                model::world->fail("a task that is gone is used");
        }
        void add_reference() {
            used();
            references.fetch_add(1, mo::relaxed);
        }
        void release() {
            used();
            if (references.load(mo::acquire) == 1 || references.fetch_sub(1, mo::acq_rel) == 1)
                alive.set(0);
        }
        void ask(std::uint64_t w) { // with the word's lock held
            bool const mine = !claimed.exchange(true);
            task.unlock(mine ? w : w | task_word::must_cancel);
            if (mine)
                task.wake();
        }
    };
    auto const t = std::make_shared<waiting_task>();
    t->task.word.store(task_word::must_cancel, mo::relaxed);
    e.spawn([=, &e] { // suspends, and delivers the first request
        bool const late = e.planted("begin_wait.reference-after-publication");
        if (!late)
            t->add_reference();
        static_cast<void>(t->task.begin_wait());
        if (late)
            t->add_reference();
        std::uint64_t const w = t->task.lock();
        if ((w & task_word::waiting) != 0 && (w & task_word::must_cancel) != 0)
            t->ask(w & ~task_word::must_cancel);
        else
            t->task.unlock(w);
        t->release();
    });
    e.spawn([=] { // the second request
        std::uint64_t const w = t->task.lock();
        if ((w & task_word::waiting) != 0)
            t->ask(w);
        else
            t->task.unlock(w | task_word::must_cancel);
        t->release();
    });
    e.spawn([=] { // the task, resumed: it ends
        t->task.sleep();
        static_cast<void>(t->task.end_wait());
        t->release();
    });
    return [] {};
}

std::vector<model::scenario> const scenarios = {
    {"hand-over against cancellation", hand_over,
     {{"claim.load-then-store"},
      {"cancel.too-late-request-lost"},
      {"suspend.unlock-before-begin_wait"},
      {"end_wait.no-wait-for-canceller"},
      {"semaphore.permit-not-given-back"},
      {"begin_wait relaxed", "task_word::begin_wait", "cas"}}},
    {"cancellation alone", cancelled_only, {{"begin_wait.pending-not-delivered"}}},
    {"timer against scope exit", timer, {{"timeout.no-wait-for-callback"}, {"timeout.busy-relaxed"}}},
    {"join against cancellation", join, {{"join.no-wait-for-target"}, {"join.target-does-not-tell"}}},
    {"offload against cancellation", offload, {{"offload.references-relaxed"}, {"offload.run-without-exchange"}}},
    {"wait without a lock against two requests", lockless, {{"begin_wait.reference-after-publication"}}},
    {"group exit", group, {{"group.over-not-looked-at"}, {"group.count-relaxed"}}},
};

} // namespace

std::vector<model::scenario> model::protocol_scenarios() { return scenarios; }
