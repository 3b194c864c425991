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
#include <utility>
#include <vector>

namespace model {

/// What becomes of the operation that a mutant names.
enum class change {
    order, ///< it gets another memory order
    split, ///< a read-modify-write becomes a read, and later a write
    drop   ///< a store or a wake-up is left out
};

/// A planted bug: an operation of production code, found by its function and name, is changed; or, with `op` null, a switch that a
/// scenario asks for by name.
struct mutant {
    char const* name;
    char const* function = nullptr;
    char const* op = nullptr;
    change what = change::order;
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

    /// Called before each execution: what belongs to the last one is gone.
    void at_each_start(std::function<void()> f) { starts_.push_back(std::move(f)); }
    /// A thread-local variable of production code: each virtual thread has a value of its own, null at first.
    void keep_per_thread(void** variable) { per_thread_.push_back(variable); }

    std::uint32_t new_location(std::uint64_t value) {
        messages_.push_back({message{value, {}}});
        lives_.push_back({});
        if (inside_)
            lives_.back().born = {static_cast<std::uint32_t>(current_), ++self()[current_]};
        return static_cast<std::uint32_t>(messages_.size() - 1);
    }
    /// The atomic is destroyed: whoever has used it must have come before.
    void end_location(std::uint32_t x);
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
    /// For a loop with several looks: how often others have written. Only where that has not changed since before the looks is there nothing to see.
    [[nodiscard]] std::uint32_t writes_of_others() const { return writes_ - threads_[current_].writes; }
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
    struct event {
        std::uint32_t thread = 0, number = 0;
    };
    struct life { // of a location
        event born;
        std::array<std::uint32_t, max_threads> used{};
        bool over = false;
    };
    struct exceptions { // as the C++ ABI keeps them, a thread each
        void* caught;
        unsigned uncaught;
    };
    enum class state { runnable, spinning, sleeping, ended };
    struct thread {
        ucontext_t context;
        std::unique_ptr<char[]> stack;
        view known;
        state status = state::runnable;
        std::uint32_t sleeps_on = 0;
        bool fresh = false;   // the next load sees the newest value
        bool saw_old = false; // one did not, since the last turn of its spin: that goes on
        std::uint32_t writes = 0;
        exceptions handled{};
        std::vector<void*> own; // of keep_per_thread()
    };
    static constexpr std::size_t stack_size = 128 * 1024;

    static void enter(unsigned t);
    static void crashed(int number);
    void run_once(std::function<std::function<void()>(explorer&)> const& setup);
    void point();
    void wrote(std::uint32_t x);
    void enter_thread(std::size_t t);
    void leave_thread(std::size_t t);
    void use(std::uint32_t x); // before an operation
    void used(std::uint32_t x) { // behind it
        if (inside_)
            lives_[x].used[current_] = self()[current_];
    }
    void leave_for_good() {
        leave_thread(current_);
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
    bool hit(change what, char const* op, std::source_location const& at) const {
        return mutant_ && mutant_->op && mutant_->what == what && !std::strcmp(mutant_->op, op) &&
               std::strstr(at.function_name(), mutant_->function);
    }
    std::memory_order order(std::memory_order o, char const* op, std::source_location const& at) const {
        return hit(change::order, op, at) ? mutant_->order : o;
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
    std::vector<life> lives_;
    std::vector<std::function<void()>> starts_;
    std::vector<void**> per_thread_;
    exceptions main_handled_{};
    std::vector<std::uint32_t> sc_; // newest message of each location in the total order of seq_cst operations
    std::vector<plain> plains_;
    struct choice {
        std::size_t taken, of;
    };
    std::vector<choice> choices_;
    std::size_t depth_ = 0;
    std::mt19937_64* random_ = nullptr;
    unsigned preemptions_ = 0, stale_ = 0, steps_ = 0;
    std::uint32_t writes_ = 0;
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
    use(x);
    o = order(o, op, at);
    std::uint64_t const before = messages_[x].back().value;
    std::uint64_t after = before;
    bool const writes = f(after);
    if (writes && hit(change::split, op, at))
        point();
    auto& list = messages_[x];
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
    if (!writes && inside_)
        ++self()[current_];
    used(x);
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
    atomic(T v) : id_(world == nullptr ? outside : world->new_location(pack(v))), value_(v) {}
    atomic(atomic const&) = delete;
    ~atomic() {
        if (id_ != outside)
            world->end_location(id_);
    }
    T load(mo o = mo::seq_cst, where at = where::current()) const {
        return id_ == outside ? value_ : unpack(world->load(id_, o, at));
    }
    void store(T v, mo o = mo::seq_cst, where at = where::current()) {
        if (id_ == outside)
            value_ = v;
        else
            world->store(id_, pack(v), o, at);
    }
    T exchange(T v, mo o = mo::seq_cst, where at = where::current()) { return modify(o, "exchange", at, [v](T) { return v; }); }
    bool compare_exchange_strong(T& e, T v, mo o, mo failed, where at = where::current()) {
        bool done = false;
        if (id_ == outside) {
            done = value_ == e;
            (done ? value_ : e) = done ? v : value_;
            return done;
        }
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
    template <class D>
    T fetch_add(D d, mo o = mo::seq_cst, where at = where::current()) {
        return modify(o, "fetch_add", at, [d](T v) { return static_cast<T>(v + static_cast<T>(d)); });
    }
    template <class D>
    T fetch_sub(D d, mo o = mo::seq_cst, where at = where::current()) {
        return modify(o, "fetch_sub", at, [d](T v) { return static_cast<T>(v - static_cast<T>(d)); });
    }
    T fetch_or(T d, mo o = mo::seq_cst, where at = where::current()) {
        return modify(o, "fetch_or", at, [d](T v) { return static_cast<T>(v | d); });
    }
    T fetch_and(T d, mo o = mo::seq_cst, where at = where::current()) {
        return modify(o, "fetch_and", at, [d](T v) { return static_cast<T>(v & d); });
    }
    [[nodiscard]] std::uint32_t id() const { return id_; }

private:
    static constexpr std::uint32_t outside = ~std::uint32_t{0}; // made before any exploration: a static of production code

    template <class F>
    T modify(mo o, char const* op, where const& at, F f) {
        if (id_ == outside)
            return std::exchange(value_, f(value_));
        return unpack(world->modify(id_, o, o, op, at, [&](std::uint64_t& w) { return w = pack(f(unpack(w))), true; }));
    }

    std::uint32_t id_;
    T value_; // outside
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
