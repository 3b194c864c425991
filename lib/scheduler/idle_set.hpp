// SPDX-License-Identifier: Apache-2.0
// Which workers sleep, which search, and who keeps watch.
//
// One word holds the number of sleeping workers, the number of searching ones, and flags of those who keep watch. One sleeping worker is the
// watcher: it wakes for timers (of all workers), and, while others are awake, every millisecond or so to see
// whether ready work waits behind a long step. So a worker that makes one task ready need not wake anybody: it will run that task
// itself in a moment, and if it does not, the watcher will. A second one may be the guard, which wakes for the latter only: where the watcher waits for
// sockets, it is awake again all the time, and leaves the watch to the guard. All other sleepers sleep until they are woken.
//
// No wake-up is lost:
//   * Work from outside (inject, shutdown): the producer adds the work, then reads the word with a seq_cst read-modify-write. A worker
//     announces its sleep with a seq_cst read-modify-write, then looks at the injection queue once more. Whichever
//     came second in the order of that word sees the other.
//   * Work of a worker: that worker is awake and will run it, unless it is long about its step. Then the watcher comes: who pushed, or else who
//     searched at that moment, has seen to it that there is one (thread_pool's watched_over, keep_watched, sleep). A stale read of the word costs a
//     watch period.
#pragma once

#include <aya/detail/spin_lock.hpp>
#include <aya/time.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

namespace aya::inline v1::detail {

class idle_set {
public:
    static constexpr std::uint32_t nobody = ~std::uint32_t{0};
    /// The part of the word that counts the sleepers.
    static constexpr std::uint32_t sleeping_mask = 0xfff;

    explicit idle_set(std::uint32_t workers) : workers_(workers) { sleepers_.reserve(workers); }

    struct snapshot {
        std::uint32_t sleeping;
        std::uint32_t searching;
        bool attended; ///< one of the sleepers is the watcher
        bool guarded;  ///< one is the guard
        bool watched;  ///< either of them wakes soon
    };
    /// A hint for the hot path.
    [[nodiscard]] snapshot hint() const noexcept {
        return unpack(word_.load(std::memory_order_relaxed)); // see above: a stale value costs a watch period
    }
    /// For fork_lane, which looks at the number of sleepers alone.
    [[nodiscard]] std::atomic<std::uint32_t> const& word() const noexcept { return word_; }
    /// The word as the total order has it. Publishes everything that the caller did before.
    [[nodiscard]] snapshot exact() noexcept { return unpack(word_.fetch_add(0)); }

    /// Starts a search for work; false when enough workers search already.
    [[nodiscard]] bool begin_search() noexcept {
        if (2 * hint().searching >= workers_)
            return false;
        word_.fetch_add(one_searching);
        return true;
    }
    /// True for the last one that searched.
    bool end_search() noexcept { return unpack(word_.fetch_sub(one_searching)).searching == 1; }

    enum class role { sleeper, guard, watcher, last_watcher };

    /// Announces that `worker` sleeps. A watcher has a deadline: soon, or, for the last one awake, only the next timer's. Beside it one that
    /// `may_guard` has one, too.
    [[nodiscard]] role begin_sleep(std::uint32_t worker, bool may_guard = false) noexcept {
        std::lock_guard const guard(mutex_);
        sleepers_.push_back(worker); // reserved
        bool const last = sleepers_.size() == workers_;
        if (watcher_ != nobody) {
            bool const guards = may_guard && guard_ == nobody;
            if (guards)
                guard_ = worker;
            word_.fetch_add(one_sleeping + (guards ? guarded_flag : 0));
            return guards ? role::guard : role::sleeper;
        }
        watcher_ = worker;
        publish_watcher_deadline(time_point::max());
        word_.fetch_add(one_sleeping + attended_flag + (last ? 0 : watched_flag));
        return last ? role::last_watcher : role::watcher;
    }

    /// Counts `worker`, which has no thread yet, as asleep. It is no watcher, and the last choice but for that.
    void add_unstarted(std::uint32_t worker) noexcept {
        std::lock_guard const guard(mutex_);
        sleepers_.insert(sleepers_.begin(), worker); // reserved
        ++unstarted_;
        word_.fetch_add(one_sleeping);
    }

    /// Announces that `worker` is awake again, woken or by itself. True if it was counted as awake by who woke it, as a searcher.
    bool end_sleep(std::uint32_t worker) noexcept {
        std::lock_guard const guard(mutex_);
        for (std::size_t i = 0; i < sleepers_.size(); ++i) {
            if (sleepers_[i] == worker) {
                sleepers_.erase(sleepers_.begin() + static_cast<std::ptrdiff_t>(i));
                leave(worker, 0);
                return false;
            }
        }
        return true;
    }

    /// Calls `f` if every worker sleeps, and keeps them asleep meanwhile. True if `f` was called and says so.
    template <class F>
    [[nodiscard]] bool while_all_sleep(F f) noexcept {
        std::lock_guard const guard(mutex_);
        return sleepers_.size() == workers_ && f();
    }

    /// When the watcher wakes for a timer; time_point::max() until it has decided. Both seq_cst, as the timers' next deadline is: the watcher publishes
    /// this and then looks at the timers, who arms a timer publishes that and then looks here. With less, both could miss the other.
    [[nodiscard]] time_point watcher_deadline() const noexcept { return time_point(duration(watcher_deadline_.load())); }
    void publish_watcher_deadline(time_point t) noexcept { watcher_deadline_.store(t.time_since_epoch().count()); }

    /// Chooses a sleeper, counts it as awake and searching, and returns it for the caller to unpark; nobody if all are awake.
    /// The watcher is left to watch as long as others sleep, and the guard as long as there is a third that has a thread, unless somebody is
    /// needed who watches: then the watcher, whose deadline is far, is the one to wake, and the next to fall asleep watches.
    [[nodiscard]] std::uint32_t take_sleeper(bool need_watcher) noexcept {
        return take_sleeper(need_watcher, [](std::uint32_t) { return true; });
    }
    /// The same of those that `suits`.
    template <class Suits>
    [[nodiscard]] std::uint32_t take_sleeper(bool need_watcher, Suits suits) noexcept {
        std::lock_guard const guard(mutex_);
        // The watcher first where it is asked for, else last; of the others, those without a thread last, and before them the guard.
        int const best = need_watcher ? 4 : 3;
        auto const rank = [&](std::size_t i) {
            if (sleepers_[i] == watcher_)
                return need_watcher ? best : 0;
            return i < unstarted_ ? 1 : sleepers_[i] == guard_ ? 2 : 3;
        };
        std::size_t chosen = sleepers_.size();
        for (std::size_t i = sleepers_.size(); i-- != 0;) { // the last one's caches are warmest
            if (!suits(sleepers_[i]) || (chosen != sleepers_.size() && rank(i) <= rank(chosen)))
                continue;
            chosen = i;
            if (rank(i) == best)
                break;
        }
        if (chosen == sleepers_.size())
            return nobody;
        std::uint32_t const worker = sleepers_[chosen];
        sleepers_.erase(sleepers_.begin() + static_cast<std::ptrdiff_t>(chosen));
        if (chosen < unstarted_)
            --unstarted_;
        leave(worker, one_searching);
        return worker;
    }

private:
    static constexpr std::uint32_t one_sleeping = 1;
    static constexpr std::uint32_t one_searching = 1U << 12;
    static constexpr std::uint32_t watched_flag = 1U << 24;
    static constexpr std::uint32_t attended_flag = 1U << 25;
    static constexpr std::uint32_t guarded_flag = 1U << 26;

    static snapshot unpack(std::uint32_t word) noexcept {
        return {word & sleeping_mask, word / one_searching & sleeping_mask, (word & attended_flag) != 0,
                (word & guarded_flag) != 0, (word & (watched_flag | guarded_flag)) != 0};
    }

    void leave(std::uint32_t worker, std::uint32_t searching) noexcept {
        std::uint32_t change = searching - one_sleeping;
        if (worker == watcher_) {
            watcher_ = nobody;
            change -= word_.load(std::memory_order_relaxed) & (watched_flag | attended_flag); // they change under the mutex only
        } else if (worker == guard_) {
            guard_ = nobody;
            change -= guarded_flag;
        }
        word_.fetch_add(change);
    }

    std::uint32_t const workers_;
    alignas(64) std::atomic<std::uint32_t> word_{0};
    spin_lock mutex_; // taken by workers that fall asleep or are woken, never by the hot path
    std::vector<std::uint32_t> sleepers_;
    std::size_t unstarted_ = 0; // so many of the first have no thread
    std::uint32_t watcher_ = nobody;
    std::uint32_t guard_ = nobody;
    std::atomic<std::int64_t> watcher_deadline_{time_point::max().time_since_epoch().count()};
};

} // namespace aya::inline v1::detail
