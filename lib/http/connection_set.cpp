// SPDX-License-Identifier: Apache-2.0
#include "http/connection_set.hpp"

#include "executors/runtime_core.hpp"
#include "http/connection_pool.hpp"
#include "http/curl_setup.hpp"
#include "io/driver.hpp"

#include <boost/system/error_code.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <new>
#include <system_error>
#include <utility>

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace aya::inline v1::http::detail {

namespace {

// So often a worker looks for more ready sockets, or calls curl for timers, before it looks at its other work.
constexpr int most_rounds = 8;

constexpr std::size_t most_idle_handles = 256;

int change_set(int set, int operation, int fd, std::uint32_t events) noexcept {
    epoll_event e{};
    e.events = events;
    e.data.fd = fd;
    // By the bare system call, because ThreadSanitizer takes the number for the file (see on_socket).
    return static_cast<int>(::syscall(SYS_epoll_ctl, set, operation, fd, &e));
}

// Of a URL that check_url() has seen.
bool is_https(std::string const& url) noexcept { return url[4] == 's' || url[4] == 'S'; }

} // namespace

connection_set::connection_set(connection_pool& pool, std::size_t seats, std::size_t index)
    : ready(&serve), pool_(pool), seats_(seats), index_(index), set_(aya::detail::asio_driver::of(pool.owner()).context()) {
    int const set = ::epoll_create1(EPOLL_CLOEXEC);
    if (set < 0)
        throw std::system_error(errno, std::generic_category(), "aya::http::client: epoll_create1");
    set_.assign(set);
    timer_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (timer_ < 0)
        throw std::system_error(errno, std::generic_category(), "aya::http::client: timerfd_create");
    try {
        if (change_set(set, EPOLL_CTL_ADD, timer_, EPOLLIN) != 0)
            throw std::system_error(errno, std::generic_category(), "aya::http::client: epoll_ctl");
        multi_ = ::curl_multi_init();
        if (multi_ == nullptr)
            throw std::bad_alloc();
    } catch (...) {
        ::close(timer_);
        throw;
    }
    ::curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &on_socket);
    ::curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    ::curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &on_timer);
    ::curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    ::curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(seats));
    ::curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(pool.options().limits.max_connections_per_host));
}

// No transfer is under way: each keeps the pool.
connection_set::~connection_set() {
    for (CURL* handle : idle_handles_)
        ::curl_easy_cleanup(handle);
    ::curl_multi_cleanup(multi_);
    ::close(timer_);
}

bool connection_set::take_seat() noexcept {
    std::size_t taken = taken_.load();
    while (taken < seats_)
        if (taken_.compare_exchange_weak(taken, taken + 1))
            return true;
    return false;
}

// --- waiting ------------------------------------------------------------------------------------------------------------------------------

void connection_set::watch() {
    set_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                    [this, weak = pool_.weak_from_this()](boost::system::error_code const& failed) {
                        auto self = weak.lock();
                        if (failed || !self)
                            return; // the client is gone
                        if (seats_ == self->options().limits.max_connections) {
                            serve_and_watch();
                            return;
                        }
                        // Handlers run one at a time, and there are other sets: any worker may serve this one.
                        serving_ = std::move(self);
                        serving_->owner().tasks().schedule(*this);
                    });
}

void connection_set::serve(aya::detail::ready& queued) noexcept {
    auto& self = static_cast<connection_set&>(queued);
    auto const pool = std::move(self.serving_);
    self.serve_and_watch();
}

void connection_set::serve_and_watch() noexcept {
    change([this] { serve_sockets(); });
    try {
        watch();
    } catch (...) { // there is no memory to wait with
        serving_ = pool_.shared_from_this();
        serving_->owner().tasks().schedule(*this);
    }
}

void connection_set::serve_sockets() noexcept {
    std::array<epoll_event, 64> events;
    for (int round = 0; round < most_rounds; ++round) {
        int const n = ::epoll_wait(set_.native_handle(), events.data(), static_cast<int>(events.size()), 0);
        for (int i = 0; i < n; ++i) {
            epoll_event const& e = events[static_cast<std::size_t>(i)];
            if (e.data.fd == timer_) {
                std::uint64_t times = 0;
                (void)!::read(timer_, &times, sizeof times);
                armed_ = time_point::max();
                continue;
            }
            if (drop_if_idle(e.data.fd))
                continue;
            int const what = ((e.events & (EPOLLIN | EPOLLHUP)) != 0 ? CURL_CSELECT_IN : 0) |
                             ((e.events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) | ((e.events & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0);
            int running = 0;
            ::curl_multi_socket_action(multi_, e.data.fd, what, &running);
        }
        if (n < static_cast<int>(events.size()))
            return;
        begin_waiting();
    }
}

// A connection between two requests stays in the epoll set, because the next one wants it there. What comes there meanwhile, as a rule its end, is
// nothing for curl, and would come again and again.
bool connection_set::drop_if_idle(int fd) noexcept {
    auto const known = connections_.find(fd);
    if (known == connections_.end() || known->second.wanted)
        return false;
    (void)change_set(set_.native_handle(), EPOLL_CTL_DEL, fd, 0);
    known->second.registered = watched::unknown;
    pool_.note_closed(index_); // curl closes it when a request begins here
    return true;
}

bool connection_set::set_events(int fd, std::uint32_t events) noexcept {
    int const set = set_.native_handle();
    return change_set(set, EPOLL_CTL_MOD, fd, events) == 0 || (errno == ENOENT && change_set(set, EPOLL_CTL_ADD, fd, events) == 0);
}

int connection_set::on_socket(CURL* handle, curl_socket_t fd, int what, void* self, void*) noexcept {
    auto& set = *static_cast<connection_set*>(self);
    auto const known = set.connections_.find(fd);
    bool const is_connection = known != set.connections_.end();
    if (what == CURL_POLL_REMOVE) {
        // Curl may say so after it has closed a socket that came to no connection. The number may be another thread's by then: this set does not
        // have that file, and nothing happens.
        if (is_connection)
            known->second.wanted = false;
        else
            (void)change_set(set.set_.native_handle(), EPOLL_CTL_DEL, fd, 0);
        return 0;
    }
    transfer* t = nullptr;
    if (::curl_easy_getinfo(handle, CURLINFO_PRIVATE, &t) == CURLE_OK && t != nullptr)
        t->socket = fd;
    std::uint32_t const events =
        ((what & CURL_POLL_IN) != 0 ? std::uint32_t{EPOLLIN} : 0U) | ((what & CURL_POLL_OUT) != 0 ? std::uint32_t{EPOLLOUT} : 0U);
    if (!is_connection)
        return set.set_events(fd, events) ? 0 : -1;
    known->second.wanted = true;
    if (known->second.registered == events)
        return 0;
    bool const done = set.set_events(fd, events);
    known->second.registered = done ? events : watched::unknown;
    return done ? 0 : -1;
}

// The epoll set forgets a closed file only when nobody has it any more, and a child of a fork() may have it for long.
int connection_set::on_close(void* self, curl_socket_t fd) noexcept {
    auto& set = *static_cast<connection_set*>(self);
    set.forget(fd);
    (void)change_set(set.set_.native_handle(), EPOLL_CTL_DEL, fd, 0);
    return ::close(fd);
}

void connection_set::forget(int socket) noexcept { pool_.open.fetch_sub(connections_.erase(socket)); }

// Curl says when it closes a connection, but not when it closes a socket that came to none: so a socket counts once it is connected.
void connection_set::connected(int socket) noexcept {
    try {
        if (connections_.try_emplace(socket).second)
            pool_.open.fetch_add(1);
    } catch (std::bad_alloc const&) {
        // It is not counted.
    }
}

bool connection_set::limits_each_host() const noexcept { return pool_.options().limits.max_connections_per_host != 0; }

int connection_set::on_timer(CURLM*, long milliseconds, void* self) noexcept {
    auto& set = *static_cast<connection_set*>(self);
    set.curl_due_ = milliseconds < 0 ? time_point::max() : set.now_ + std::chrono::milliseconds(milliseconds);
    return 0;
}

void connection_set::arm_timer() noexcept {
    time_point due = curl_due_;
    if (!deadlines_.empty())
        due = std::min(due, deadlines_.begin()->first);
    if (due >= armed_)
        return; // what it is set to may be too early by now, which costs one look
    armed_ = due;
    auto const since_boot = std::max<std::int64_t>(due.time_since_epoch().count(), 1); // zero would be no alarm
    itimerspec when{};
    when.it_value.tv_sec = since_boot / 1'000'000'000;
    when.it_value.tv_nsec = since_boot % 1'000'000'000;
    (void)::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
}

// --- rounds -------------------------------------------------------------------------------------------------------------------------------

void connection_set::begin_round() noexcept {
    now_ = time_point(std::chrono::steady_clock::now());
    begin_waiting();
}

std::shared_ptr<transfer> connection_set::end_round() noexcept {
    for (int round = 0; curl_due_ <= now_ && round < most_rounds; ++round) {
        curl_due_ = time_point::max(); // curl says when it wants to be called again
        int running = 0;
        ::curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect_finished();
    end_overdue();
    arm_timer();
    // First noted, first woken.
    std::shared_ptr<transfer> in_order;
    while (noted_) {
        std::shared_ptr<transfer> before = std::move(noted_->next_noted);
        noted_->next_noted = std::move(in_order);
        in_order = std::move(noted_);
        noted_ = std::move(before);
    }
    return in_order;
}

void connection_set::notify(std::shared_ptr<transfer> noted) noexcept {
    while (noted) {
        // Another thread may hold the lock by now, and note it anew: not before the link has been read. What that one finds noted still
        // is before the wake-up that follows.
        std::shared_ptr<transfer> next = std::move(noted->next_noted);
        noted->noted.store(false);
        noted->changed.set();
        // After the wake-up, so that virtual time sees the task before it sees nothing outside.
        if (auto* const clock = noted->counted.exchange(nullptr); clock != nullptr)
            clock->outside.fetch_sub(1);
        noted = std::move(next);
    }
}

void connection_set::note(transfer& t) noexcept {
    if (t.noted.exchange(true))
        return;
    t.next_noted = std::move(noted_);
    noted_ = t.shared_from_this();
}

void connection_set::collect_finished() noexcept {
    int left = 0;
    while (CURLMsg* const m = ::curl_multi_info_read(multi_, &left)) {
        if (m->msg != CURLMSG_DONE)
            continue;
        transfer* t = nullptr;
        CURLcode const result = m->data.result;
        (void)::curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        finish(*t, t->judged(result));
    }
}

void connection_set::end_overdue() noexcept {
    while (!deadlines_.empty() && deadlines_.begin()->first <= now_) {
        transfer& t = *deadlines_.begin()->second;
        deadline first = t.next_deadline();
        if (first.what == time_limit::read && first.when <= now_) {
            t.look_for_activity();
            first = t.next_deadline();
        }
        if (first.when > now_) {
            deadline_changed(t);
            continue;
        }
        t.exceeded = first.what;
        finish(t, CURLE_OPERATION_TIMEDOUT);
    }
}

void connection_set::deadline_changed(transfer& t) noexcept {
    auto node = deadlines_.extract(t.due);
    node.key() = t.next_deadline().when;
    t.due = deadlines_.insert(std::move(node));
}

// --- transfers ----------------------------------------------------------------------------------------------------------------------------

void connection_set::start(transfer& t) noexcept {
    pool_.active.fetch_add(1);
    transfer* first = to_start_.load();
    do
        t.next_to_start = first;
    while (!to_start_.compare_exchange_weak(first, &t));
    start_waiting();
}

// After the lock's release, and after something was left here. The read-modify-write comes before the one that leaves a transfer, which then is ordered
// after the release before it, and finds the lock free or with somebody who comes by here too; or it comes later, and sees the transfer.
void connection_set::start_waiting() noexcept {
    while (to_start_.fetch_add(0) != nullptr && mutex_.try_lock()) {
        begin_round();
        std::shared_ptr<transfer> noted = end_round();
        mutex_.unlock();
        notify(std::move(noted));
    }
}

void connection_set::begin_waiting() noexcept {
    if (to_start_.load() == nullptr)
        return;
    transfer* in_order = nullptr;
    for (transfer* t = to_start_.exchange(nullptr); t != nullptr;) {
        transfer* const before = std::exchange(t->next_to_start, in_order);
        in_order = std::exchange(t, before);
    }
    while (in_order != nullptr)
        begin(*std::exchange(in_order, in_order->next_to_start));
}

void connection_set::begin(transfer& t) noexcept {
    CURL* handle = nullptr;
    try {
        handle = take_handle();
        if (!t.configure(handle, pool_.common_lines()))
            throw std::bad_alloc();
        // Where many requests begin at once, the first connection shall tell whether they can share it. With TLS that is known before an answer comes.
        if (index_ != 0)
            (void)::curl_easy_setopt(handle, CURLOPT_PIPEWAIT, is_https(t.head.url) ? 1L : 0L);
        t.started = t.since = t.last_activity = now_;
        t.due = deadlines_.emplace(t.next_deadline().when, &t);
    } catch (...) {
        if (handle != nullptr)
            give_back(handle);
        end(t, CURLE_OUT_OF_MEMORY);
        return;
    }
    t.easy = handle;
    CURLMcode const code = ::curl_multi_add_handle(multi_, handle);
    if (code != CURLM_OK)
        finish(t, code == CURLM_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_FAILED_INIT);
}

void connection_set::finish(transfer& t, CURLcode result) noexcept {
    CURL* const handle = std::exchange(t.easy, nullptr);
    (void)::curl_multi_remove_handle(multi_, handle);
    deadlines_.erase(t.due);
    give_back(handle);
    end(t, result);
}

void connection_set::end(transfer& t, CURLcode result) noexcept {
    if (t.result == CURLE_OK) // else a callback has found no memory
        t.result = result;
    t.stage = phase::over;
    t.ended = now_;
    pool_.active.fetch_sub(1);
    note(t);
    t.over.store(true); // everything above is the task's from now on
}

void connection_set::stop(transfer& t) noexcept {
    if (t.over.load())
        return;
    change([&] { // which has begun it by now, if it was left to somebody else
        if (t.easy != nullptr)
            finish(t, CURLE_ABORTED_BY_CALLBACK);
    });
}

void connection_set::resume(transfer& t) noexcept {
    if (t.easy == nullptr)
        return;
    t.last_activity = now_;
    deadline_changed(t);
    (void)::curl_easy_pause(t.easy, (t.receiving_paused ? CURLPAUSE_RECV : 0) | (t.sending_paused ? CURLPAUSE_SEND : 0));
}

CURL* connection_set::take_handle() {
    if (!idle_handles_.empty()) {
        CURL* const handle = idle_handles_.back();
        idle_handles_.pop_back();
        return handle;
    }
    CURL* const handle = ::curl_easy_init();
    if (handle == nullptr)
        throw std::bad_alloc();
    try {
        set_common_options(handle, pool_.options());
    } catch (...) {
        ::curl_easy_cleanup(handle);
        throw;
    }
    transfer::set_callbacks(handle);
    ::curl_easy_setopt(handle, CURLOPT_CLOSESOCKETFUNCTION, &on_close);
    ::curl_easy_setopt(handle, CURLOPT_CLOSESOCKETDATA, this);
    ::curl_easy_setopt(handle, CURLOPT_SHARE, pool_.share());
    return handle;
}

void connection_set::give_back(CURL* handle) noexcept {
    ::curl_easy_setopt(handle, CURLOPT_PRIVATE, nullptr);
    ::curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, nullptr);
    ::curl_easy_setopt(handle, CURLOPT_POSTFIELDS, nullptr);
    ::curl_easy_setopt(handle, CURLOPT_HTTPHEADER, nullptr);
    try {
        if (idle_handles_.size() < most_idle_handles) {
            idle_handles_.push_back(handle);
            return;
        }
    } catch (std::bad_alloc const&) {
    }
    ::curl_easy_cleanup(handle);
}

} // namespace aya::inline v1::http::detail
