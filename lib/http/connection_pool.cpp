// SPDX-License-Identifier: Apache-2.0
#include "http/connection_pool.hpp"

#include "executors/runtime_core.hpp"
#include "http/curl_setup.hpp"
#include "io/driver.hpp"

#include <aya/http/errors.hpp>

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

void add_to_set(int set, int operation, int fd, std::uint32_t events) {
    epoll_event e{};
    e.events = events;
    e.data.fd = fd;
    if (::epoll_ctl(set, operation, fd, &e) != 0)
        throw std::system_error(errno, std::generic_category(), "aya::http::client: epoll_ctl");
}

} // namespace

std::shared_ptr<connection_pool> connection_pool::make(aya::detail::runtime_core& owner, client_options options) {
    initialise_curl();
    check(options);
    auto made = std::make_shared<connection_pool>(owner, std::move(options));
    made->watch();
    return made;
}

connection_pool::connection_pool(aya::detail::runtime_core& owner, client_options options)
    : owner_(owner), options_(std::move(options)), places_(static_cast<std::ptrdiff_t>(options_.limits.max_connections)),
      set_(aya::detail::asio_driver::of(owner).context()), common_lines_(common_lines(options_)) {
    int const set = ::epoll_create1(EPOLL_CLOEXEC);
    if (set < 0)
        throw std::system_error(errno, std::generic_category(), "aya::http::client: epoll_create1");
    set_.assign(set);
    try {
        timer_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (timer_ < 0)
            throw std::system_error(errno, std::generic_category(), "aya::http::client: timerfd_create");
        add_to_set(set, EPOLL_CTL_ADD, timer_, EPOLLIN);
        multi_ = ::curl_multi_init();
        share_ = ::curl_share_init();
        if (multi_ == nullptr || share_ == nullptr)
            throw std::bad_alloc();
    } catch (...) {
        if (share_ != nullptr)
            ::curl_share_cleanup(share_);
        if (multi_ != nullptr)
            ::curl_multi_cleanup(multi_);
        if (timer_ >= 0)
            ::close(timer_);
        throw;
    }
    ::curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &on_socket);
    ::curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    ::curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &on_timer);
    ::curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    ::curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options_.limits.max_connections));
    ::curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(options_.limits.max_connections_per_host));
    if (options_.cookies)
        ::curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
    ::curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
}

// No transfer is under way: each keeps the pool.
connection_pool::~connection_pool() {
    for (CURL* handle : idle_handles_)
        ::curl_easy_cleanup(handle);
    ::curl_multi_cleanup(multi_);
    ::curl_share_cleanup(share_);
    ::close(timer_);
}

// --- waiting ------------------------------------------------------------------------------------------------------------------------------

void connection_pool::watch() {
    set_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                    [weak = weak_from_this()](boost::system::error_code const& failed) {
                        auto const self = weak.lock();
                        if (failed || !self)
                            return; // the client is gone
                        self->change([&] { self->serve_sockets(); });
                        self->watch();
                    });
}

void connection_pool::serve_sockets() noexcept {
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
            int const what = ((e.events & (EPOLLIN | EPOLLHUP)) != 0 ? CURL_CSELECT_IN : 0) |
                             ((e.events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) | ((e.events & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0);
            int running = 0;
            ::curl_multi_socket_action(multi_, e.data.fd, what, &running);
        }
        if (n < static_cast<int>(events.size()))
            return;
    }
}

int connection_pool::on_socket(CURL* handle, curl_socket_t fd, int what, void* self, void* known) noexcept {
    auto& pool = *static_cast<connection_pool*>(self);
    int const set = pool.set_.native_handle();
    epoll_event e{};
    e.data.fd = fd;
    if (what == CURL_POLL_REMOVE) {
        // Curl may say so after it has closed a socket that came to no connection. The number may be another thread's by then: this set does not
        // have that file, and nothing happens. By the bare system call, because ThreadSanitizer takes the number for the file.
        (void)::syscall(SYS_epoll_ctl, set, EPOLL_CTL_DEL, fd, &e);
        return 0;
    }
    transfer* t = nullptr;
    if (::curl_easy_getinfo(handle, CURLINFO_PRIVATE, &t) == CURLE_OK && t != nullptr)
        t->socket = fd;
    e.events = ((what & CURL_POLL_IN) != 0 ? std::uint32_t{EPOLLIN} : 0U) | ((what & CURL_POLL_OUT) != 0 ? std::uint32_t{EPOLLOUT} : 0U);
    if (known == nullptr)
        (void)::curl_multi_assign(pool.multi_, fd, self);
    int failed = ::epoll_ctl(set, known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &e);
    if (failed != 0 && (errno == EEXIST || errno == ENOENT))
        failed = ::epoll_ctl(set, errno == EEXIST ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e);
    return failed != 0 ? -1 : 0;
}

int connection_pool::on_close(void* self, curl_socket_t fd) noexcept {
    auto& pool = *static_cast<connection_pool*>(self);
    pool.connections_.erase(fd);
    pool.open_.store(pool.connections_.size());
    return ::close(fd);
}

// Curl says when it closes a connection, but not when it closes a socket that came to none: so a socket counts once it is connected.
void connection_pool::connected(std::vector<int> const& sockets) noexcept {
    try {
        connections_.insert(sockets.begin(), sockets.end());
        open_.store(connections_.size());
    } catch (std::bad_alloc const&) {
        // It is not counted.
    }
}

int connection_pool::on_timer(CURLM*, long milliseconds, void* self) noexcept {
    auto& pool = *static_cast<connection_pool*>(self);
    pool.curl_due_ = milliseconds < 0 ? time_point::max() : pool.now_ + std::chrono::milliseconds(milliseconds);
    return 0;
}

void connection_pool::arm_timer() noexcept {
    time_point next = curl_due_;
    if (!deadlines_.empty())
        next = std::min(next, deadlines_.begin()->first);
    if (next >= armed_)
        return; // what it is set to may be too early by now, which costs one look
    armed_ = next;
    auto const since_boot = std::max<std::int64_t>(next.time_since_epoch().count(), 1); // zero would be no alarm
    itimerspec when{};
    when.it_value.tv_sec = since_boot / 1'000'000'000;
    when.it_value.tv_nsec = since_boot % 1'000'000'000;
    (void)::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
}

// --- rounds -------------------------------------------------------------------------------------------------------------------------------

void connection_pool::begin_round() noexcept { now_ = time_point(std::chrono::steady_clock::now()); }

std::shared_ptr<transfer> connection_pool::end_round() noexcept {
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
        std::shared_ptr<transfer> next = std::move(noted_->next_noted);
        noted_->next_noted = std::move(in_order);
        in_order = std::move(noted_);
        noted_ = std::move(next);
    }
    return in_order;
}

void connection_pool::notify(std::shared_ptr<transfer> noted) noexcept {
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

void connection_pool::note(transfer& t) noexcept {
    if (t.noted.exchange(true))
        return;
    t.next_noted = std::move(noted_);
    noted_ = t.shared_from_this();
}

void connection_pool::collect_finished() noexcept {
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

void connection_pool::end_overdue() noexcept {
    while (!deadlines_.empty() && deadlines_.begin()->first <= now_) {
        transfer& t = *deadlines_.begin()->second;
        deadline next = t.next_deadline();
        if (next.what == time_limit::read && next.when <= now_) {
            // Curl sends content of requests, and decodes that of responses, without a callback for each byte.
            if (std::int64_t const moved = t.bytes_moved(); moved != t.moved) {
                t.moved = moved;
                t.last_activity = now_;
                next = t.next_deadline();
            }
        }
        if (next.when > now_) {
            deadline_changed(t);
            continue;
        }
        t.exceeded = next.what;
        finish(t, CURLE_OPERATION_TIMEDOUT);
    }
}

void connection_pool::deadline_changed(transfer& t) noexcept {
    auto node = deadlines_.extract(t.due);
    node.key() = t.next_deadline().when;
    t.due = deadlines_.insert(std::move(node));
}

// --- transfers ----------------------------------------------------------------------------------------------------------------------------

void connection_pool::start(transfer& t) {
    std::exception_ptr failure;
    change([&] {
        CURL* handle = nullptr;
        try {
            handle = take_handle();
            if (!t.configure(handle, common_lines_.get()))
                throw std::bad_alloc();
            t.started = t.since = t.last_activity = now_;
            t.due = deadlines_.emplace(t.next_deadline().when, &t);
            if (CURLMcode const code = ::curl_multi_add_handle(multi_, handle); code != CURLM_OK) {
                deadlines_.erase(t.due);
                throw transport_error(std::string("aya::http: ") + ::curl_multi_strerror(code), t.head.url);
            }
            t.easy = handle;
            active_.fetch_add(1);
        } catch (...) {
            failure = std::current_exception();
            if (handle != nullptr)
                give_back(handle);
        }
    });
    if (failure)
        std::rethrow_exception(std::move(failure));
}

void connection_pool::finish(transfer& t, CURLcode result) noexcept {
    CURL* const handle = std::exchange(t.easy, nullptr);
    if (t.result == CURLE_OK) // else a callback has found no memory
        t.result = result;
    (void)::curl_multi_remove_handle(multi_, handle);
    deadlines_.erase(t.due);
    t.stage = phase::over;
    t.ended = now_;
    active_.fetch_sub(1);
    give_back(handle);
    note(t);
}

void connection_pool::stop(transfer& t) noexcept {
    change([&] {
        if (t.easy != nullptr)
            finish(t, CURLE_ABORTED_BY_CALLBACK);
    });
}

void connection_pool::resume(transfer& t) noexcept {
    if (t.easy == nullptr)
        return;
    t.last_activity = now_;
    deadline_changed(t);
    (void)::curl_easy_pause(t.easy, (t.receiving_paused ? CURLPAUSE_RECV : 0) | (t.sending_paused ? CURLPAUSE_SEND : 0));
}

CURL* connection_pool::take_handle() {
    if (!idle_handles_.empty()) {
        CURL* const handle = idle_handles_.back();
        idle_handles_.pop_back();
        return handle;
    }
    CURL* const handle = ::curl_easy_init();
    if (handle == nullptr)
        throw std::bad_alloc();
    try {
        set_common_options(handle, options_);
    } catch (...) {
        ::curl_easy_cleanup(handle);
        throw;
    }
    transfer::set_callbacks(handle);
    ::curl_easy_setopt(handle, CURLOPT_CLOSESOCKETFUNCTION, &on_close);
    ::curl_easy_setopt(handle, CURLOPT_CLOSESOCKETDATA, this);
    ::curl_easy_setopt(handle, CURLOPT_SHARE, share_);
    return handle;
}

void connection_pool::give_back(CURL* handle) noexcept {
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
