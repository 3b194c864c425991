// SPDX-License-Identifier: Apache-2.0
// The pool's thread: it starts the children, hears of their results and of their deaths, and is their parent to the kernel as long
// as they live.
#include "process/core.hpp"

#include <aya/detail/balance.hpp>
#include <aya/errors.hpp>

#include <fmt/format.h>

#include <array>
#include <algorithm>
#include <csignal>
#include <new>
#include <string>
#include <utility>

#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace aya::inline v1::detail {

namespace {

using clock = std::chrono::steady_clock;

constexpr auto time_to_leave = std::chrono::seconds(5);         // for a child's destructors of static objects
constexpr auto pause_after_failure = std::chrono::milliseconds(100);
constexpr std::size_t most_failed_starts = 5;

} // namespace

void process_core::serve() noexcept {
    counted_scope const here(counted::threads);
    ::pthread_setname_np(::pthread_self(), "aya-process");
    for (;;) {
        start_children();
        job_list done;
        bool over = false, more = false;
        int timeout = -1;
        {
            std::lock_guard const guard(mutex_);
            server_told_ = false;
            stopping_ = closed_ && jobs_ == 0;
            for (auto const& w : workers_)
                look_at(*w, done);
            bool const others_work = std::any_of(workers_.begin(), workers_.end(), [](auto const& w) {
                return w->started() && w->now != process_worker::state::dying;
            });
            std::erase_if(workers_, [&](auto const& w) {
                if (w->now != process_worker::state::dying || !w->reap())
                    return false;
                bury(*w, others_work, done);
                return true;
            });
            pump();
            balance();
            over = closed_ && jobs_ == 0 && workers_.empty();
            more = !done.empty() || (children_wanted() != 0 && clock::now() >= next_start_);
            if (children_wanted() != 0 || !queue_.empty())
                timeout = 100;
            for (auto const& w : workers_) {
                if (w->now == process_worker::state::leaving)
                    timeout = 100;
                if (more || w->now == process_worker::state::dying)
                    continue;
                // Either the child sees that a byte is wanted, or its end is seen here.
                w->want_byte();
                more = w->has_ends();
            }
        }
        tell(done);
        if (over)
            return;
        wait_for_events(more ? 0 : timeout);
    }
}

void process_core::start_children() noexcept {
    for (;;) {
        {
            std::lock_guard const guard(mutex_);
            if (children_wanted() == 0 || clock::now() < next_start_)
                return;
        }
        try {
            start_child();
        } catch (std::exception const& e) { // no descriptor, no memory, no process
            job_list done;
            {
                std::lock_guard const guard(mutex_);
                next_start_ = clock::now() + pause_after_failure;
                if (workers_.empty()) // else those that there are will do
                    start_failed(e.what(), false, done);
            }
            tell(done);
        }
    }
}

void process_core::start_child() {
    static process_message const nothing;
    process_message const* const arguments = process_access::arguments(options_.initializer);
    auto w = std::make_unique<process_worker>(started_ + 1, process_access::function(options_.initializer),
                                              arguments == nullptr ? nothing : *arguments);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = w->number() * 2;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, w->socket(), &event) != 0)
        throw_errno("aya::process_pool: watching a child");
    event.data.u64 = w->number() * 2 + 1;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, w->handle(), &event) != 0)
        throw_errno("aya::process_pool: watching a child");
    std::lock_guard const guard(mutex_);
    workers_.push_back(std::move(w));
    ++started_;
    if (killed_)
        kill(*workers_.back());
}

void process_core::wait_for_events(int timeout) noexcept {
    std::array<epoll_event, 64> events;
    int const n = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout);
    if (n <= 0)
        return;
    std::lock_guard const guard(mutex_);
    for (int i = 0; i < n; ++i) {
        std::uint64_t const what = events[static_cast<std::size_t>(i)].data.u64;
        if (what == 0) {
            std::uint64_t count = 0;
            (void)!::read(wake_up_.get(), &count, sizeof count);
            continue;
        }
        auto const found = std::find_if(workers_.begin(), workers_.end(), [&](auto const& w) { return w->number() == what / 2; });
        if (found == workers_.end())
            continue;
        process_worker& w = **found;
        if (what % 2 != 0) {
            w.now = process_worker::state::dying; // it is dead
            continue;
        }
        try {
            if (!w.drain_socket()) {
                w.close_socket();
                kill(w); // if it is not dead anyway: a child without its socket is of no use
            }
        } catch (malformed const& m) {
            w.close_socket();
            kill(w, m.what());
        } catch (std::bad_alloc const&) {
            w.close_socket();
            kill(w, "no memory for what it sends");
        }
    }
}

// --- under the lock -----------------------------------------------------------------------------------------------------

void process_core::look_at(process_worker& w, job_list& done) noexcept {
    try {
        switch (w.now) {
        case process_worker::state::starting: take_start(w, done); break;
        case process_worker::state::ready: take_ends(w, done); break;
        case process_worker::state::leaving:
            if (clock::now() >= w.patience)
                kill(w);
            break;
        case process_worker::state::dying: break;
        }
    } catch (malformed const& m) {
        kill(w, m.what());
    } catch (std::bad_alloc const&) {
        kill(w, "no memory for what it sends");
    }
    bool const used_up = w.now == process_worker::state::ready && !takes_calls(w);
    if ((used_up || stopping_) && w.now != process_worker::state::leaving && w.now != process_worker::state::dying && w.load() == 0)
        let_go(w);
}

void process_core::let_go(process_worker& w) noexcept {
    w.close_socket();
    w.now = process_worker::state::leaving;
    w.patience = clock::now() + time_to_leave;
}

void process_core::take_start(process_worker& w, job_list& done) {
    process_status status = process_status::returned;
    process_message text;
    try {
        if (!w.next_start(status, text))
            return;
    } catch (malformed const&) {
        throw;
    } catch (std::exception const&) {
        throw malformed("the end of its initializer is broken");
    }
    if (status == process_status::returned) {
        failed_starts_ = 0;
        w.now = process_worker::state::ready;
        return;
    }
    let_go(w);
    std::string why = "it could not be called";
    try {
        message_input input(text);
        std::span<std::byte const> const first = input.view_block(1);
        why.assign(reinterpret_cast<char const*>(first.data()), first.size());
        if (status == process_status::threw) {
            std::span<std::byte const> const second = input.view_block(1);
            why.append(": ").append(reinterpret_cast<char const*>(second.data()), second.size());
        }
    } catch (serialization_error const&) { // then without the reason
    }
    start_failed(fmt::format("the initializer failed: {}", why), false, done);
}

void process_core::take_ends(process_worker& w, job_list& done) {
    bool any = false;
    while (process_job* const job = w.next_end()) {
        any = true;
        forget(*job);
        done.push_back(*job);
    }
    if (any)
        w.ends_taken();
}

// What it had finished is taken, what it had begun is lost, and the rest goes to others.
void process_core::bury(process_worker& w, bool others_work, job_list& done) noexcept {
    bool const never_started = !w.started();
    if (w.complaint == nullptr && !never_started) {
        try {
            (void)w.drain_socket();
            take_ends(w, done);
        } catch (malformed const& m) {
            w.complaint = m.what();
        } catch (std::bad_alloc const&) {
            w.complaint = "no memory for what it has sent";
        }
    }
    job_list begun, others;
    w.split(begun, others);
    try {
        while (!begun.empty()) {
            process_job& job = begun.pop_front();
            end(job,
                fmt::format("aya::process_pool: the child process {} {} while it ran '{}'", w.pid(), w.how_it_ended(), job.function->name()),
                done);
        }
    } catch (std::bad_alloc const&) {
        while (!begun.empty())
            end(begun.pop_front(), "aya::process_pool: the child process has ended", done);
    }
    // One whose descriptors were on their way could not be taken back when its task was cancelled; nobody asks for it again.
    job_list again;
    while (!others.empty()) {
        process_job& job = others.pop_front();
        if (job.wanted()) {
            again.push_back(job);
        } else {
            forget(job);
            done.push_back(job);
        }
    }
    queue_first(again);
    if (killed_)
        end_queued("aya::process_pool: the workers were ended", done);
    else if (never_started && others_work)
        next_start_ = clock::now() + pause_after_failure; // the queue is served, if more slowly
    else if (never_started && !stopping_)
        start_failed(fmt::format("a child process {} before it could take a call", w.how_it_ended()), true, done);
}

void process_core::start_failed(std::string_view why, bool try_again, job_list& done) noexcept {
    if (try_again && ++failed_starts_ < most_failed_starts)
        return;
    failed_starts_ = 0;
    try {
        end_queued(fmt::format("aya::process_pool: no child process could be started: {}", why), done);
    } catch (std::bad_alloc const&) {
        end_queued("aya::process_pool: no child process could be started", done);
    }
}

} // namespace aya::inline v1::detail
