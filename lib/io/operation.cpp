// SPDX-License-Identifier: Apache-2.0
// Three parties meet at an operation: the task that starts it, the handler that ends it, and a canceller, each on a thread of its own. One byte
// orders them.
//
//   * The wait is published before the operation is started, because it may end at any moment from then on. An end before `started` is left
//     for the starter, who holds the awaiter until then, and goes on with the task at once; a later end wakes the task.
//   * A request before `started` is left for the starter too; a later one is the canceller's, who holds the task's word, so that the awaiter
//     stays. It never claims the wake-up: the task goes on when the operation has ended.
//   * Asio's signals know no threads. So what emits the signal is posted to where the operation's handlers run, one at a time: the runtime's
//     context, or a strand. The `emission` is a block of its own, for the operation may be over before it runs: the handler, which is on the same
//     strand, closes it then.
#include <aya/io/detail/operation.hpp>

#include "executors/runtime_core.hpp"
#include "io/driver.hpp"

#include <aya/errors.hpp>
#include <aya/io/context.hpp>
#include <aya/runtime.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/system_error.hpp>

#include <memory>
#include <utility>

namespace aya::inline v1::io {

boost::asio::io_context& context() {
    aya::detail::scheduler& home = aya::detail::this_scheduler("aya::io::context");
    return aya::detail::asio_driver::of(home.owner()).context();
}

boost::asio::io_context& context(runtime& rt) {
    return aya::detail::asio_driver::of(aya::detail::runtime_access::tasks(rt).owner()).context();
}

} // namespace aya::inline v1::io

namespace aya::inline v1::io::detail {

using aya::detail::asio_driver;
using boost::asio::any_io_executor;

/// A posted cancellation. One reference for the post, one for the operation's end.
class emission : public aya::detail::frame_allocated {
public:
    emission() = default;
    explicit emission(operation& o) noexcept : operation_(&o) {}

    // Both on the operation's strand.
    void emit() noexcept {
        if (operation_ == nullptr)
            return;
        try {
            operation_->target_.emit(boost::asio::cancellation_type::all);
        } catch (...) {
            // The operation goes on to its end.
        }
    }
    void close() noexcept { operation_ = nullptr; }

    void release() noexcept {
        if (references_.fetch_sub(1) == 1)
            delete this;
    }

private:
    operation* operation_ = nullptr;
    std::atomic<int> references_{2};
};

namespace {

/// The piece of work that is posted.
class emitter {
public:
    explicit emitter(emission& e) noexcept : emission_(&e) {}
    emitter(emitter&& other) noexcept : emission_(std::exchange(other.emission_, nullptr)) {}
    emitter& operator=(emitter&&) = delete;
    ~emitter() {
        if (emission_ != nullptr)
            emission_->release();
    }
    void operator()() noexcept { emission_->emit(); }

private:
    emission* emission_;
};

} // namespace

bool operation::begin(task_state& task, std::coroutine_handle<> h) {
    if (task_ != nullptr)
        aya::detail::throw_invalid_state("aya::io::await: an operation was awaited twice");
    driver_ = &asio_driver::of(task.home().owner());
    task_ = &task;
    if (task.take_pending_cancel()) {
        refused_ = true;
        return false;
    }
    if (task.home().owner().clock().is_virtual)
        count(); // time stands still meanwhile
    if (task.begin_wait(*this, h)) [[unlikely]]
        task.deliver_pending(*this);
    return true;
}

bool operation::started() noexcept {
    bool emitted = false;
    std::uint8_t stage = stage_.load();
    for (;;) {
        if ((stage & completed_bit) != 0) {
            if (counted_)
                driver_->owner().clock().outside.fetch_sub(1);
            return false;
        }
        if ((stage & cancel_bit) != 0 && !emitted) {
            emit();
            emitted = true;
            stage = stage_.load();
            continue;
        }
        if (stage_.compare_exchange_weak(stage, stage | started_bit))
            return true;
    }
}

void operation::complete() noexcept {
    task_state& task = *task_;
    auto& clock = driver_->owner().clock();
    bool const counted = counted_;
    std::uint8_t stage = stage_.load();
    for (;;) {
        if ((stage & cancel_bit) != 0) {
            close_emission();
            stage = stage_.fetch_or(completed_bit);
            break;
        }
        // A canceller that comes later sees the end and emits nothing.
        if (stage_.compare_exchange_weak(stage, stage | completed_bit))
            break;
    }
    if ((stage & started_bit) == 0)
        return; // this object may be gone: its task goes on
    task.wake();
    // After the wake-up, so that virtual time sees the task before it sees nothing outside; and last, because the runtime's end waits for it.
    if (counted)
        clock.outside.fetch_sub(1);
}

void operation::abandon() noexcept {
    abandoned_ = true;
    complete();
}

void operation::finish(bool aborted) {
    if (refused_)
        task_->throw_cancelled();
    bool const requested = task_->end_wait();
    if ((aborted || abandoned_) && (stage_.load() & cancel_bit) != 0)
        task_->throw_cancelled();
    if (requested)
        task_->postpone_cancel();
}

// --- cancellation -------------------------------------------------------------------------------------------------------------------

// With the task's word locked, so this object stays.
aya::detail::suspension::verdict operation::request_cancel(cancel_walk&) noexcept {
    std::uint8_t const before = stage_.fetch_or(cancel_bit);
    if (before == started_bit) // neither asked before nor over
        emit();
    return verdict::too_late;
}

void operation::emit() noexcept {
    try {
        std::unique_ptr<emission> made(new emission(*this));
        emission* none = nullptr;
        if (!emission_.compare_exchange_strong(none, made.get()))
            return; // it is over
        emitter work(*made.release());
        if (foreign_.load())
            boost::asio::post(executor_, std::move(work));
        else
            boost::asio::post(driver_->context(), std::move(work));
    } catch (...) {
        // No memory to ask with: the task hears of the request when the operation has ended by itself.
    }
}

void operation::close_emission() noexcept {
    static emission over;
    emission* const e = emission_.exchange(&over);
    if (e == nullptr || e == &over)
        return;
    e->close();
    e->release();
}

// --- where the handlers run -----------------------------------------------------------------------------------------------------------

bool operation::is_own(any_io_executor const& candidate) const noexcept {
    auto const* const plain = candidate.target<boost::asio::io_context::executor_type>();
    return plain != nullptr && &plain->context() == &driver_->context();
}

void operation::note_executor(any_io_executor const& candidate) noexcept {
    if (noted_ || !candidate)
        return;
    noted_ = true;
    if (is_own(candidate))
        return;
    try {
        executor_ = boost::asio::strand<any_io_executor>(candidate);
    } catch (...) {
        executor_ = candidate;
    }
    note_foreign();
}

void operation::note_serial_executor(any_io_executor const& candidate) noexcept {
    if (noted_ || !candidate)
        return;
    noted_ = true;
    if (is_own(candidate))
        return;
    executor_ = candidate;
    note_foreign();
}

void operation::note_context(boost::asio::io_context& candidate) noexcept {
    if (&candidate == &driver_->context())
        noted_ = true;
    else
        note_serial_executor(candidate.get_executor());
}

// A thread that is none of the runtime's will wake the task: the runtime's end waits until it is out.
void operation::note_foreign() noexcept {
    if (!counted_)
        count();
    foreign_.store(true);
}

void operation::count() noexcept {
    driver_->owner().clock().outside.fetch_add(1);
    counted_ = true;
}

// --- results --------------------------------------------------------------------------------------------------------------------------

bool is_aborted(boost::system::error_code const& code) noexcept { return code == boost::asio::error::operation_aborted; }

bool is_aborted(std::exception_ptr const& error) noexcept {
    if (error == nullptr)
        return false;
    try {
        std::rethrow_exception(error);
    } catch (boost::system::system_error const& e) {
        return is_aborted(e.code());
    } catch (...) {
        return false;
    }
}

void throw_error(boost::system::error_code const& code) { throw boost::system::system_error(code); }

void throw_abandoned() {
    throw broken_executor("aya::io::await: the operation was dropped by its executor before it ended");
}

} // namespace aya::inline v1::io::detail
