// SPDX-License-Identifier: Apache-2.0
// The search: depth first over all choices within the bounds, then random schedules from a fixed seed.
#include "explorer.hpp"

#include <csignal>
#include <cstring>
#include <utility>

#include <cxxabi.h>

namespace model {

explorer* world = nullptr;

std::size_t explorer::choose(std::size_t n) {
    if (n < 2)
        return 0;
    if (random_) {
        std::size_t const pick = (*random_)() % n;
        return pick;
    }
    if (depth_ == choices_.size())
        choices_.push_back({0, n});
    return choices_[depth_++].taken;
}

// Before each operation: another thread may go first.
void explorer::point() {
    if (!inside_)
        return;
    if (++steps_ > 3000)
        fail("no end after 3000 steps");
    std::array<std::size_t, max_threads> options{};
    std::size_t n = 0;
    bool const can_stay = threads_[current_].status == state::runnable;
    if (can_stay)
        options[n++] = current_;
    if (!can_stay || preemptions_ < limits_.preemptions)
        for (std::size_t i = 1; i < bodies_.size(); ++i) // in a circle: two that spin do not keep a third one from running
            if (std::size_t const t = (current_ + i) % bodies_.size(); threads_[t].status == state::runnable)
                options[n++] = t;
    if (n == 0)
        fail("deadlock: a wake-up is lost");
    // In random mode most steps stay.
    std::size_t const pick = random_ && can_stay && (*random_)() % 4 != 0 ? 0 : choose(n);
    std::size_t const next = options[pick];
    if (next == current_)
        return;
    preemptions_ += can_stay;
    std::size_t const from = std::exchange(current_, next);
    leave_thread(from);
    enter_thread(next);
    swapcontext(&threads_[from].context, &threads_[next].context);
}

// What the machine keeps for each thread goes with the virtual one: the exceptions that it handles, and variables that a test has named.
void explorer::leave_thread(std::size_t t) {
    thread& th = threads_[t];
    std::memcpy(&th.handled, abi::__cxa_get_globals(), sizeof th.handled);
    th.own.resize(per_thread_.size());
    for (std::size_t i = 0; i < per_thread_.size(); ++i)
        th.own[i] = *per_thread_[i];
}

void explorer::enter_thread(std::size_t t) {
    thread& th = threads_[t];
    std::memcpy(static_cast<void*>(abi::__cxa_get_globals()), &th.handled, sizeof th.handled);
    th.own.resize(per_thread_.size());
    for (std::size_t i = 0; i < per_thread_.size(); ++i)
        *per_thread_[i] = th.own[i];
}

void explorer::use(std::uint32_t x) {
    if (!inside_)
        return;
    life const& l = lives_[x];
    if (l.over)
        fail("an atomic is used after its end");
    if (l.born.thread != current_ && l.born.number > self()[l.born.thread])
        fail("an atomic is used by who cannot know that it was made");
}

void explorer::end_location(std::uint32_t x) {
    if (x >= lives_.size()) // of an execution that failed
        return;
    life& l = lives_[x];
    if (inside_)
        for (std::size_t t = 0; t < bodies_.size(); ++t)
            if (t != current_ && l.used[t] > self()[t])
                fail("an atomic is destroyed while another thread may be using it");
    l.over = true;
}

void explorer::wrote(std::uint32_t) {
    ++writes_;
    if (inside_)
        ++threads_[current_].writes;
    for (std::size_t t = 0; t < bodies_.size(); ++t)
        if (t != current_ && threads_[t].status == state::spinning)
            threads_[t].status = state::runnable;
}

std::uint64_t explorer::load(std::uint32_t x, std::memory_order o, std::source_location const& at) {
    point();
    use(x);
    if (inside_)
        ++self()[current_];
    o = order(o, "load", at);
    auto& list = messages_[x];
    std::uint32_t oldest = known(x);
    std::uint32_t const newest = static_cast<std::uint32_t>(list.size() - 1);
    if (o == std::memory_order_seq_cst) {
        sc_.resize(std::max<std::size_t>(sc_.size(), x + 1));
        oldest = std::max(oldest, sc_[x]);
    }
    if (!inside_ || stale_ >= limits_.stale_loads || std::exchange(threads_[current_].fresh, false))
        oldest = newest;
    std::uint32_t const back = static_cast<std::uint32_t>(choose(newest - oldest + 1));
    stale_ += back != 0;
    if (inside_)
        threads_[current_].saw_old |= back != 0;
    message const& m = list[newest - back];
    known(x) = newest - back;
    if (o == std::memory_order_seq_cst)
        sc_[x] = std::max(sc_[x], known(x));
    if (acquires(o))
        join(self(), m.released);
    used(x);
    note(back ? "load (old)" : "load", x, m.value, at);
    return m.value;
}

void explorer::store(std::uint32_t x, std::uint64_t v, std::memory_order o, std::source_location const& at) {
    point();
    use(x);
    if (hit(change::drop, "store", at))
        return;
    o = order(o, "store", at);
    std::uint32_t const index = static_cast<std::uint32_t>(messages_[x].size());
    known(x) = index;
    ++self()[inside_ ? current_ : max_threads - 1];
    view released;
    if (releases(o))
        released = self();
    messages_[x].push_back({v, std::move(released)});
    if (o == std::memory_order_seq_cst) {
        sc_.resize(std::max<std::size_t>(sc_.size(), x + 1));
        sc_[x] = index;
    }
    used(x);
    wrote(x);
    note("store", x, v, at);
}

void explorer::plain_access(std::uint32_t x, bool write) {
    if (!inside_)
        return;
    plain& p = plains_[x];
    view& mine = threads_[current_].known;
    for (std::size_t t = 0; t < bodies_.size(); ++t)
        if (t != current_ && (p.writes[t] > mine[t] || (write && p.reads[t] > mine[t])))
            fail("data race");
    (write ? p.writes : p.reads)[current_] = ++mine[current_];
}

void explorer::relax() {
    if (!std::exchange(threads_[current_].saw_old, false))
        threads_[current_].status = state::spinning;
    point();
    threads_[current_].fresh = true;
}

void explorer::futex_wait(std::uint32_t x, std::uint64_t expected) {
    point();
    if (messages_[x].back().value != expected)
        return;
    threads_[current_].status = state::sleeping;
    threads_[current_].sleeps_on = x;
    point();
    threads_[current_].fresh = true;
}

void explorer::futex_wake(std::uint32_t x) {
    point();
    for (std::size_t t = 0; t < bodies_.size(); ++t) {
        if (threads_[t].status == state::sleeping && threads_[t].sleeps_on == x) {
            threads_[t].status = state::runnable;
            return;
        }
    }
}

// What a planted bug may end in.
void explorer::crashed(int number) {
    if (world != nullptr && world->inside_)
        world->fail("a crash");
    std::signal(number, SIG_DFL);
    std::raise(number);
}

void explorer::enter(unsigned t) {
    explorer& e = *world;
    e.bodies_[t]();
    e.threads_[t].status = state::ended;
    bool all = true;
    for (std::size_t i = 0; i < e.bodies_.size(); ++i)
        all = all && e.threads_[i].status == state::ended;
    if (all)
        e.leave_for_good();
    e.point(); // does not return
}

void explorer::run_once(std::function<std::function<void()>(explorer&)> const& setup) {
    bodies_.clear();
    messages_.clear();
    lives_.clear();
    sc_.clear();
    plains_.clear();
    setup_view_.assign(max_threads, 0);
    depth_ = 0;
    preemptions_ = stale_ = steps_ = 0;
    writes_ = 0;
    failure_.clear();
    for (auto const& f : starts_)
        f();
    auto check = setup(*this);
    for (std::size_t t = 0; t < bodies_.size(); ++t) {
        thread& th = threads_[t];
        th.known = setup_view_;
        th.status = state::runnable;
        th.fresh = th.saw_old = false;
        th.writes = 0;
        th.handled = {};
        th.own.assign(per_thread_.size(), nullptr);
        if (!th.stack)
            th.stack = std::make_unique<char[]>(stack_size);
        getcontext(&th.context);
        th.context.uc_stack.ss_sp = th.stack.get();
        th.context.uc_stack.ss_size = stack_size;
        th.context.uc_link = nullptr;
        makecontext(&th.context, reinterpret_cast<void (*)()>(&explorer::enter), 1, static_cast<unsigned>(t));
    }
    current_ = choose(bodies_.size());
    std::memcpy(&main_handled_, abi::__cxa_get_globals(), sizeof main_handled_);
    enter_thread(current_);
    inside_ = true;
    swapcontext(&main_, &threads_[current_].context);
    inside_ = false;
    std::memcpy(static_cast<void*>(abi::__cxa_get_globals()), &main_handled_, sizeof main_handled_);
    for (void** const variable : per_thread_)
        *variable = nullptr;
    if (failure_.empty()) {
        for (std::size_t t = 0; t < bodies_.size(); ++t)
            join(setup_view_, threads_[t].known);
        check();
    }
    if (!failure_.empty()) { // threads stand in the middle of what they did: nothing of it can be destroyed
        static_cast<void>(new std::function<void()>(std::move(check)));
        static_cast<void>(new std::vector<std::function<void()>>(std::move(bodies_)));
    }
    bodies_.clear();
}

explorer::verdict explorer::explore(limits l, mutant const* m, std::function<std::function<void()>(explorer&)> const& setup) {
    world = this;
    struct sigaction on_crash{};
    on_crash.sa_handler = &crashed;
    on_crash.sa_flags = SA_NODEFER; // it is left by a jump
    for (int const number : {SIGSEGV, SIGABRT, SIGILL})
        sigaction(number, &on_crash, nullptr);
    mutant_ = m;
    limits_ = l;
    choices_.clear();
    random_ = nullptr;
    verdict result;
    while (result.executions < l.executions) {
        ++result.executions;
        run_once(setup);
        if (!failure_.empty()) { // once more, with its trace
            tracing_ = true;
            trace_.clear();
            std::string const why = failure_;
            run_once(setup);
            tracing_ = false;
            result.failure = why;
            result.trace = trace_;
            return result;
        }
        while (!choices_.empty() && choices_.back().taken + 1 == choices_.back().of)
            choices_.pop_back();
        if (choices_.empty()) {
            result.exhausted = true;
            break;
        }
        ++choices_.back().taken;
    }
    limits_.preemptions = limits_.stale_loads = 100;
    for (unsigned long seed = 1; seed <= l.random; ++seed) {
        ++result.executions;
        std::mt19937_64 source(seed);
        random_ = &source;
        run_once(setup);
        random_ = nullptr;
        if (!failure_.empty()) {
            result.failure = failure_ + " (seed " + std::to_string(seed) + ")";
            return result;
        }
    }
    return result;
}

} // namespace model
