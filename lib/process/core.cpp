// SPDX-License-Identifier: Apache-2.0
// The side of those who submit: the queue, and which child gets what. server.cpp has the other one.
#include "process/core.hpp"

#include "executors/runtime_core.hpp"
#include "process/main_hook.hpp"

#include <aya/errors.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <utility>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace aya::inline v1::detail {

namespace {

constexpr std::size_t most_workers = 1024;
constexpr std::size_t most_calls_of_one = 1u << 31; // their numbers have 32 bits

std::size_t checked_workers(std::size_t asked) {
    if (asked > most_workers)
        throw std::invalid_argument(
            fmt::format("aya::process_pool_options::max_workers: {} is more than the limit of {}", asked, most_workers));
    return asked == 0 ? std::min(usable_cpus_here(), most_workers) : asked;
}

} // namespace

process_core::process_core(process_pool_options options)
    : options_(std::move(options)), max_workers_(checked_workers(options_.max_workers)), epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_up_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!process_main_was_called())
        throw_invalid_state("aya::process_pool: main() must begin with aya::process_pool_main(argc, argv)");
    epoll_event event{};
    event.events = EPOLLIN;
    if (!epoll_ || !wake_up_ || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_up_.get(), &event) != 0)
        throw_errno("aya::process_pool");
}

std::shared_ptr<process_core> process_core::make(process_pool_options options) {
    std::shared_ptr<process_core> core(new process_core(std::move(options)));
    core->server_ = std::thread([&core = *core] { core.serve(); });
    return core;
}

void process_core::submit(process_job& job) noexcept {
    job_list done;
    {
        std::lock_guard const guard(mutex_);
        ++jobs_;
        // Who abandons a job says so first and takes the lock afterwards: either it is seen here, or abandon() finds the job in the queue or with a
        // child. So a call whose task has gone on does not begin.
        if (job.error || !job.wanted()) { // its arguments could not be encoded, or nobody waits any more
            forget(job);
            done.push_back(job);
        } else if (closed_) {
            end(job, "aya::process_pool: the pool is shut down", done);
        } else {
            job.where = process_job::place::queued;
            queue_.push_back(job);
            pump();
            if (children_wanted() != 0)
                wake_server();
        }
    }
    tell(done);
}

void process_core::abandon(process_job& job) noexcept {
    job_list done;
    {
        std::lock_guard const guard(mutex_);
        if (job.where == process_job::place::at_worker)
            call_back(job, done);
        if (job.where == process_job::place::queued) {
            queue_.remove(job);
            forget(job);
            done.push_back(job);
        }
        pump();
        wake_server(); // for what others can do now
    }
    tell(done);
}

void process_core::shut_down() {
    {
        std::lock_guard const guard(mutex_);
        closed_ = true;
        wake_server();
    }
    std::lock_guard const guard(join_mutex_);
    if (server_.joinable())
        server_.join();
}

void process_core::end_workers(int signal) noexcept {
    job_list done;
    {
        std::lock_guard const guard(mutex_);
        closed_ = killed_ = true;
        end_queued("aya::process_pool: the workers were ended", done);
        for (auto const& w : workers_)
            w->kill(signal);
        wake_server();
    }
    tell(done);
}

std::vector<pid_t> process_core::children() {
    std::lock_guard const guard(mutex_);
    std::vector<pid_t> all;
    for (auto const& w : workers_)
        all.push_back(w->pid());
    return all;
}

std::uint64_t process_core::children_started() {
    std::lock_guard const guard(mutex_);
    return started_;
}

// --- under the lock -----------------------------------------------------------------------------------------------------

bool process_core::takes_calls(process_worker const& w) const noexcept {
    std::size_t const most = options_.max_tasks_per_child == 0 ? most_calls_of_one : std::min(options_.max_tasks_per_child, most_calls_of_one);
    return w.now == process_worker::state::ready && w.given() < most;
}

process_worker* process_core::best_for(process_job const& job) noexcept {
    process_worker* best = nullptr;
    for (auto const& w : workers_) {
        try {
            if (takes_calls(*w) && (best == nullptr || w->load() < best->load()) && w->has_room(job))
                best = w.get();
        } catch (malformed const& m) {
            kill(*w, m.what());
        }
    }
    return best;
}

void process_core::pump() noexcept {
    while (!queue_.empty()) {
        process_job& job = queue_.front();
        process_worker* const w = best_for(job);
        bool given = false;
        try {
            given = w != nullptr && w->give(job);
        } catch (std::bad_alloc const&) {
        }
        if (!given) // children that are busy will make room; nothing else can be in the way for long
            break;
        queue_.remove(job);
        job.where = process_job::place::at_worker;
        job.worker = w;
    }
    for (auto const& w : workers_) {
        if (!w->unpublished)
            continue;
        try {
            w->publish();
        } catch (malformed const& m) {
            kill(*w, m.what());
        }
    }
}

// Calls that wait behind a busy child go to one that has nothing to do.
void process_core::balance() noexcept {
    for (auto const& idle : workers_) {
        if (!queue_.empty())
            return;
        if (!takes_calls(*idle) || idle->load() != 0)
            continue;
        process_worker* most = nullptr;
        std::size_t waiting = 0;
        for (auto const& w : workers_) {
            try {
                if (w->now == process_worker::state::ready && w->load() > 1 && w->not_begun() > waiting) {
                    most = w.get();
                    waiting = w->not_begun();
                }
            } catch (malformed const& m) {
                kill(*w, m.what());
            }
        }
        if (most == nullptr)
            return;
        try {
            job_list back;
            most->take_back((waiting + 1) / 2, back);
            queue_first(back);
        } catch (malformed const& m) {
            kill(*most, m.what());
        }
        pump();
    }
}

// What the child has not begun goes back, so that it can begin nothing else: the child that is killed then has begun this job, and nothing
// after it.
void process_core::call_back(process_job& job, job_list& done) noexcept {
    process_worker& w = *job.worker;
    try {
        job_list back;
        w.take_back(w.load(), back);
        queue_first(back);
        if (job.where == process_job::place::at_worker)
            take_ends(w, done);
        if (job.where == process_job::place::at_worker)
            kill(w);
    } catch (malformed const& m) {
        kill(w, m.what());
    }
}

void process_core::queue_first(job_list& jobs) noexcept {
    while (!jobs.empty()) {
        process_job& job = jobs.pop_back();
        job.where = process_job::place::queued;
        job.worker = nullptr;
        queue_.push_front(job);
    }
}

void process_core::forget(process_job& job) noexcept {
    job.where = process_job::place::nowhere;
    job.worker = nullptr;
    --jobs_;
}

void process_core::end(process_job& job, std::string_view why, job_list& done) noexcept {
    try {
        job.error = std::make_exception_ptr(broken_executor(std::string(why)));
    } catch (...) {
        job.error = std::current_exception();
    }
    forget(job);
    done.push_back(job);
}

void process_core::end_queued(std::string_view why, job_list& done) noexcept {
    while (!queue_.empty())
        end(queue_.pop_front(), why, done);
}

void process_core::kill(process_worker& w, char const* complaint) noexcept {
    if (complaint != nullptr)
        w.complaint = complaint;
    if (w.now != process_worker::state::dying) {
        w.now = process_worker::state::dying;
        w.kill(SIGKILL);
    }
}

std::size_t process_core::children_wanted() const noexcept {
    std::size_t const wanted = killed_ ? 0 : std::min(max_workers_, jobs_);
    return wanted > workers_.size() ? wanted - workers_.size() : 0;
}

void process_core::wake_server() noexcept {
    if (std::exchange(server_told_, true))
        return;
    std::uint64_t const one = 1;
    (void)!::write(wake_up_.get(), &one, sizeof one);
}

void process_core::tell(job_list& done) noexcept {
    while (!done.empty()) {
        process_job& job = done.pop_front();
        job.ended();
        job.release();
    }
}

} // namespace aya::inline v1::detail
