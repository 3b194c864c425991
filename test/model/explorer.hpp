// SPDX-License-Identifier: Apache-2.0
// Explores the interleavings of a few virtual threads on model-checked atomics. One message list per location, a view per thread:
// a load may return any value that coherence and happens-before allow. Stores go to the end of the modification order.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <source_location>
#include <string>
#include <type_traits>
#include <ucontext.h>
#include <vector>

namespace model {

/// A planted bug: an operation of production code, found by its function and name, gets another order; or, with `op` null, a switch that
/// a scenario asks for by name.
struct mutant {
    char const* name;
    char const* function = nullptr;
    char const* op = nullptr;
    std::memory_order order = std::memory_order_relaxed;
};

/// What each thread knows: entry i < threads is the newest event of thread i, the rest the newest message of each location.
using view = std::vector<std::uint32_t>;

inline void join(view& a, view const& b) {
    if (a.size() < b.size())
        a.resize(b.size());
    for (std::size_t i = 0; i < b.size(); ++i)
        a[i] = std::max(a[i], b[i]);
}

struct limits {
    unsigned preemptions = 3;
    unsigned stale_loads = 2;
    unsigned long executions = 100'000;
    unsigned long random = 10'000; // schedules after the systematic ones
};

class explorer {
public:
    static constexpr std::size_t max_threads = 5;

    struct verdict {
        std::string failure; // empty: none
        std::string trace;
        unsigned long executions = 0;
        bool exhausted = false; // within the bounds
    };

    /// Runs `setup` once for each schedule; it calls spawn(). `check` runs after all threads have ended.
    verdict explore(limits l, mutant const* m, std::function<std::function<void()>(explorer&)> const& setup);

    void spawn(std::function<void()> body) { bodies_.push_back(std::move(body)); }
    void fail(std::string why) {
        if (failure_.empty())
            failure_ = std::move(why);
        if (inside_)
            leave_for_good();
    }
    [[nodiscard]] bool planted(char const* name) const { return mutant_ && !mutant_->op && !std::strcmp(mutant_->name, name); }

    std::uint32_t new_location(std::uint64_t value) {
        messages_.push_back({message{value, {}}});
        return static_cast<std::uint32_t>(messages_.size() - 1);
    }
    std::uint64_t load(std::uint32_t x, std::memory_order o, std::source_location const& at);
    void store(std::uint32_t x, std::uint64_t v, std::memory_order o, std::source_location const& at);
    /// `f` gets the newest value and returns whether to write, having changed it.
    template <class F>
    std::uint64_t modify(std::uint32_t x, std::memory_order o, std::memory_order failed, char const* op, std::source_location const& at, F f);

    // Plain memory: an access that no happens-before orders is a data race.
    std::uint32_t new_plain() {
        plains_.push_back({});
        return static_cast<std::uint32_t>(plains_.size() - 1);
    }
    void plain_access(std::uint32_t x, bool write);

    void relax(); ///< a step of a spin loop: blocks until another thread has written anything
    void futex_wait(std::uint32_t x, std::uint64_t expected);
    void futex_wake(std::uint32_t x);
    std::size_t choose(std::size_t n);

private:
    struct message {
        std::uint64_t value;
        view released;
    };
    struct plain {
        std::array<std::uint32_t, max_threads> reads{}, writes{};
    };
    enum class state { runnable, spinning, sleeping, ended };
    struct thread {
        ucontext_t context;
        std::unique_ptr<char[]> stack;
        view known;
        state status = state::runnable;
        std::uint32_t sleeps_on = 0;
        bool fresh = false;   // the next load sees the newest value
        bool saw_old = false; // the last one did not: a spin goes on
    };
    static constexpr std::size_t stack_size = 96 * 1024;

    static void enter(unsigned t);
    void run_once(std::function<std::function<void()>(explorer&)> const& setup);
    void point();
    void wrote(std::uint32_t x);
    void leave_for_good() {
        for (;;)
            swapcontext(&threads_[current_].context, &main_);
    }
    std::uint32_t& known(std::uint32_t x) {
        view& v = self();
        if (v.size() <= max_threads + x)
            v.resize(max_threads + x + 1);
        return v[max_threads + x];
    }
    view& self() { return inside_ ? threads_[current_].known : setup_view_; }
    std::memory_order order(std::memory_order o, char const* op, std::source_location const& at) const {
        bool const hit = mutant_ && mutant_->op && !std::strcmp(mutant_->op, op) && std::strstr(at.function_name(), mutant_->function);
        return hit ? mutant_->order : o;
    }
    void note(char const* op, std::uint32_t x, std::uint64_t v, std::source_location const& at) {
        if (tracing_)
            trace_ += "  t" + std::to_string(current_) + " " + op + " #" + std::to_string(x) + " " + std::to_string(v) + "  " +
                      at.function_name() + ":" + std::to_string(at.line()) + "\n";
    }

    mutant const* mutant_ = nullptr;
    limits limits_;
    std::vector<std::function<void()>> bodies_;
    std::array<thread, max_threads> threads_;
    ucontext_t main_;
    std::size_t current_ = 0;
    bool inside_ = false;
    view setup_view_;
    std::vector<std::vector<message>> messages_;
    std::vector<std::uint32_t> sc_; // newest message of each location in the total order of seq_cst operations
    std::vector<plain> plains_;
    struct choice {
        std::size_t taken, of;
    };
    std::vector<choice> choices_;
    std::size_t depth_ = 0;
    std::mt19937_64* random_ = nullptr;
    unsigned preemptions_ = 0, stale_ = 0, steps_ = 0;
    std::string failure_, trace_;
    bool tracing_ = false;
};

extern explorer* world;

inline bool acquires(std::memory_order o) { return o != std::memory_order_relaxed && o != std::memory_order_release; }
inline bool releases(std::memory_order o) {
    return o == std::memory_order_release || o == std::memory_order_acq_rel || o == std::memory_order_seq_cst;
}

template <class F>
std::uint64_t explorer::modify(std::uint32_t x, std::memory_order o, std::memory_order failed, char const* op,
                               std::source_location const& at, F f) {
    point();
    o = order(o, op, at);
    auto& list = messages_[x];
    std::uint64_t const before = list.back().value;
    std::uint64_t after = before;
    bool const writes = f(after);
    if (!writes)
        o = failed;
    if (acquires(o))
        join(self(), list.back().released);
    known(x) = static_cast<std::uint32_t>(list.size() - 1);
    if (writes) {
        view released = list.back().released; // a release sequence goes on
        ++self()[inside_ ? current_ : max_threads - 1];
        known(x) = static_cast<std::uint32_t>(list.size());
        if (releases(o))
            join(released, self());
        list.push_back({after, std::move(released)});
        wrote(x);
    }
    if (o == std::memory_order_seq_cst) {
        sc_.resize(std::max<std::size_t>(sc_.size(), x + 1));
        sc_[x] = std::max(sc_[x], known(x));
    }
    note(op, x, after, at);
    return before;
}

/// Stands in for std::atomic.
template <class T>
class atomic {
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
    using where = std::source_location;
    using mo = std::memory_order;
    static std::uint64_t pack(T v) {
        std::uint64_t w = 0;
        std::memcpy(&w, &v, sizeof v);
        return w;
    }
    static T unpack(std::uint64_t w) {
        T v;
        std::memcpy(static_cast<void*>(&v), &w, sizeof v);
        return v;
    }
    static mo weaker(mo o) { return o == mo::acq_rel ? mo::acquire : o == mo::release ? mo::relaxed : o; }

public:
    static constexpr bool is_always_lock_free = true;
    atomic() : atomic(T{}) {}
    atomic(T v) : id_(world->new_location(pack(v))) {}
    atomic(atomic const&) = delete;
    T load(mo o = mo::seq_cst, where at = where::current()) const { return unpack(world->load(id_, o, at)); }
    void store(T v, mo o = mo::seq_cst, where at = where::current()) { world->store(id_, pack(v), o, at); }
    T exchange(T v, mo o = mo::seq_cst, where at = where::current()) {
        return unpack(world->modify(id_, o, o, "exchange", at, [&](std::uint64_t& w) { return w = pack(v), true; }));
    }
    bool compare_exchange_strong(T& e, T v, mo o, mo failed, where at = where::current()) {
        bool done = false;
        std::uint64_t const was = world->modify(id_, o, failed, "cas", at, [&](std::uint64_t& w) {
            done = w == pack(e);
            if (done)
                w = pack(v);
            return done;
        });
        if (!done)
            e = unpack(was);
        return done;
    }
    bool compare_exchange_strong(T& e, T v, mo o = mo::seq_cst, where at = where::current()) {
        return compare_exchange_strong(e, v, o, weaker(o), at);
    }
    bool compare_exchange_weak(T& e, T v, mo o, mo f, where at = where::current()) { return compare_exchange_strong(e, v, o, f, at); }
    bool compare_exchange_weak(T& e, T v, mo o = mo::seq_cst, where at = where::current()) { return compare_exchange_strong(e, v, o, at); }
    T fetch_add(T d, mo o = mo::seq_cst, where at = where::current()) {
        return unpack(world->modify(id_, o, o, "fetch_add", at, [&](std::uint64_t& w) { return w = pack(static_cast<T>(unpack(w) + d)), true; }));
    }
    T fetch_sub(T d, mo o = mo::seq_cst, where at = where::current()) {
        return unpack(world->modify(id_, o, o, "fetch_sub", at, [&](std::uint64_t& w) { return w = pack(static_cast<T>(unpack(w) - d)), true; }));
    }
    T fetch_or(T d, mo o = mo::seq_cst, where at = where::current()) {
        return unpack(world->modify(id_, o, o, "fetch_or", at, [&](std::uint64_t& w) { return w = pack(static_cast<T>(unpack(w) | d)), true; }));
    }
    [[nodiscard]] std::uint32_t id() const { return id_; }

private:
    std::uint32_t id_;
};

/// Plain memory that tells of data races.
template <class T>
class var {
public:
    explicit var(T v = {}) : value_(v), id_(world->new_plain()) {}
    T get() const { return world->plain_access(id_, false), value_; }
    void set(T v) { world->plain_access(id_, true), value_ = v; }

private:
    T value_;
    std::uint32_t id_;
};

} // namespace model
