// SPDX-License-Identifier: Apache-2.0
// Tasks in the order of their ends: what as_completed() and the bounded gather() share. Counted, since those who wait, the timer and the
// watched tasks may each be the last to use it.
#pragma once

#include <aya/detail/frame_memory.hpp>
#include <aya/detail/promise.hpp>
#include <aya/detail/spin_lock.hpp>
#include <aya/detail/task_state.hpp>
#include <aya/detail/timer.hpp>
#include <aya/detail/wait_list.hpp>
#include <aya/time.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <source_location>
#include <utility>

namespace aya::inline v1::detail {

class completion_stream final : public frame_allocated {
public:
    class next_awaiter;

    /// One that ended, or an empty reference: none is left.
    struct item {
        item() noexcept = default;
        item(std::size_t p, state_reference t) noexcept : place(p), task(std::move(t)) {}

        std::size_t place = 0;
        state_reference task;
    };

    /// With the owner's reference.
    static completion_stream* create() { return new completion_stream; }
    /// So many more places.
    void grow(std::size_t places);
    [[nodiscard]] std::size_t places() const noexcept { return newest_ == nullptr ? 0 : newest_->first + newest_->size; }
    /// What the watched tasks use: it is let go when the owner has left and the last one has ended.
    void keep(std::shared_ptr<void> used) noexcept { kept_ = std::move(used); }
    /// The owner leaves: nothing is given out any more, and who still waits gets nothing.
    void close() noexcept;

    /// Puts a task in a place that is free: never used, or given out by next().
    void watch(std::size_t place, state_reference task) noexcept;
    /// From `deadline` on, each that has not ended is a timeout_error.
    void arm(scheduler& home, time_point deadline);
    /// Cancels what is watched and not done. For a stream with one consumer, which calls this.
    void cancel_all();
    /// What is watched will report no exception, whenever it fails.
    void answer_for_all() noexcept;

private:
    struct member final : completion {
        member() noexcept : completion(&notified) {}

        completion_stream* owner = nullptr;
        std::size_t place = 0;
        state_reference task;       // until it is given out
        member* following = nullptr; // among those that ended; under the lock
    };
    struct deadline_timer final : timer {
        explicit deadline_timer(completion_stream& s) noexcept : timer(&fired), owner(&s) {}
        completion_stream* owner;
    };

    /// Members stay where they are; the older blocks are half as large, or smaller.
    struct block {
        block(std::size_t begin, std::size_t count) : first(begin), size(count), members(std::make_unique<member[]>(count)) {}

        std::size_t const first;
        std::size_t const size;
        std::unique_ptr<member[]> const members;
        std::unique_ptr<block> older;
    };

    completion_stream() = default;
    ~completion_stream() = default;

    template <class F>
    void for_each_member(F f) const {
        for (block const* b = newest_.get(); b != nullptr; b = b->older.get())
            for (std::size_t i = 0; i < b->size; ++i)
                f(b->members[i]);
    }

    void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); } // whoever adds one holds one
    void release() noexcept;
    static void notified(completion& c, task_state& t) noexcept;
    static void fired(timer& t) noexcept;
    void describe_to(wait_description& d) noexcept;
    [[nodiscard]] waiter* offer(member& m, bool first) noexcept;
    [[nodiscard]] item take(member* m);

    std::atomic<std::uint32_t> references_{1};
    spin_lock mutex_; // guards all below
    wait_list waiters_{mutex_};
    member* ended_ = nullptr; // nobody has them yet; first one first
    member* last_ended_ = nullptr;
    std::size_t left_ = 0; // watched and not given out
    bool expired_ = false;
    deadline_timer timer_{*this};
    std::unique_ptr<block> newest_; // only the owner changes it, under the lock, and so may read it without
    std::shared_ptr<void> kept_;
};

class [[nodiscard]] completion_stream::next_awaiter : public waiter {
public:
    explicit next_awaiter(completion_stream& s) noexcept : stream_(&s) { s.add_reference(); }
    next_awaiter(next_awaiter&& unawaited) noexcept
        : waiter(std::move(unawaited)), stream_(std::exchange(unawaited.stream_, nullptr)) {}
    ~next_awaiter() {
        if (stream_ != nullptr)
            stream_->release();
    }

    bool await_ready() {
        begin_await();
        return false;
    }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) noexcept {
        h.promise().where = where;
        return suspend(*h.promise().task, h);
    }
    item await_resume() { return finish(); }

    void describe(wait_description& d) const noexcept override;

protected:
    item finish();

private:
    friend completion_stream;
    bool suspend(task_state& task, std::coroutine_handle<> h) noexcept;

    completion_stream* stream_;
    member* got_ = nullptr; // written by who woke it
};

struct stream_close {
    void operator()(completion_stream* s) const noexcept { s->close(); }
};
using stream_pointer = std::unique_ptr<completion_stream, stream_close>;

} // namespace aya::inline v1::detail
