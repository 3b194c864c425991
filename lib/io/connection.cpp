// SPDX-License-Identifier: Apache-2.0
#include "io/connection.hpp"

#include <aya/sleep.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace aya::inline v1::io::detail {

namespace {

constexpr auto longest_pause = std::chrono::milliseconds(100);

// A pipe knows no MSG_NOSIGNAL.
long write_without_signal(int descriptor, std::string_view bytes) noexcept {
    sigset_t pipe_signal;
    sigset_t before;
    ::sigemptyset(&pipe_signal);
    ::sigaddset(&pipe_signal, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    long const n = ::write(descriptor, bytes.data(), bytes.size());
    int const error = errno;
    if (n < 0 && error == EPIPE && ::sigismember(&before, SIGPIPE) == 0) {
        timespec const at_once{};
        while (::sigtimedwait(&pipe_signal, nullptr, &at_once) < 0 && errno == EINTR) {
        }
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
    return n;
}

} // namespace

void throw_errno(int error, char const* what) { throw std::system_error(error, std::generic_category(), what); }

std::exception_ptr system_failure(int error, char const* what) noexcept {
    try {
        return std::make_exception_ptr(std::system_error(error, std::generic_category(), what));
    } catch (...) {
        return std::current_exception();
    }
}

namespace {

std::exception_ptr runtime_has_ended() noexcept { return system_failure(ECONNABORTED, "aya::io: the runtime of the connection has ended"); }

} // namespace

// --- life -----------------------------------------------------------------------------------------------------------------------------

connection::use::use(connection& c) : connection_(&c) {
    std::lock_guard const guard(c.mutex_);
    if (c.error_ != nullptr)
        std::rethrow_exception(c.error_);
    if (c.context_->ended() && !c.closing_.load()) {
        c.fail(runtime_has_ended());
        std::rethrow_exception(c.error_);
    }
    entered_ = !c.closing_.load();
    if (entered_)
        ++c.users_;
}

connection::connection(std::shared_ptr<aya::detail::driver_context> where, unique_descriptor descriptor, kind k, std::size_t limit)
    : context_(std::move(where)), kind_(k), descriptor_(descriptor.get()), limit_(limit) {
    below_mark_.set();
    if (limit == 0)
        throw std::invalid_argument("aya::io: limit: it is 0, and has to be at least 1");
    if (k == kind::pipe) {
        hand_over(std::move(descriptor), pipe_.emplace(*context_));
        return;
    }
    int family = 0;
    socklen_t size = sizeof family;
    if (::getsockopt(descriptor.get(), SOL_SOCKET, SO_DOMAIN, &family, &size) != 0)
        throw_errno(errno, "aya::io: a socket");
    hand_over(std::move(descriptor), socket_.emplace(*context_), boost::asio::generic::stream_protocol(family, 0));
}

connection::~connection() = default;

void connection::leave() noexcept {
    std::lock_guard const guard(mutex_);
    --users_;
    finish_if_idle();
}

// With the mutex held.
void connection::finish_if_idle() noexcept {
    if (!closing_.load() || closed_ || (!to_send_.empty() && !lost_))
        return;
    if (users_ != 0) {
        if (socket_)
            (void)::shutdown(descriptor_, SHUT_RDWR); // who waits hears of the end
        else if (boost::system::error_code none; pipe_)
            pipe_->cancel(none);
        return;
    }
    boost::system::error_code none;
    if (socket_)
        socket_->close(none);
    else
        pipe_->close(none);
    closed_ = true;
    below_mark_.set();
    closed_event_.set();
    membership_.reset();
}

// With the mutex held. The connection is lost.
void connection::fail(std::exception_ptr error) noexcept {
    if (error_ == nullptr)
        error_ = std::move(error);
    lost_ = true;
    closing_.store(true);
    to_send_.consume(to_send_.size());
    below_mark_.set();
    finish_if_idle();
}

void connection::close() noexcept {
    std::lock_guard const guard(mutex_);
    if (closing_.exchange(true))
        return;
    try {
        if (tls_ && !lost_) {
            tls_->say_goodbye();
            to_send_.append(tls_->to_send());
            send_all();
        }
    } catch (...) {
        fail(std::current_exception());
    }
    finish_if_idle();
}

void connection::abort() noexcept {
    std::lock_guard const guard(mutex_);
    closing_.store(true);
    lost_ = true;
    to_send_.consume(to_send_.size());
    below_mark_.set();
    finish_if_idle();
}

task<> connection::wait_closed(std::shared_ptr<connection> c) {
    co_await c->closed_event_.wait();
    std::lock_guard const guard(c->mutex_);
    if (c->error_ != nullptr)
        std::rethrow_exception(c->error_);
}

bool connection::is_lost() const {
    std::lock_guard const guard(mutex_);
    return lost_ || closed_;
}

void connection::join(std::shared_ptr<void> membership) {
    std::lock_guard const guard(mutex_);
    if (!closed_)
        membership_ = std::move(membership);
}

int connection::descriptor() const noexcept {
    std::lock_guard const guard(mutex_);
    return closed_ ? -1 : descriptor_;
}

std::string connection::name(bool of_peer) const {
    std::lock_guard const guard(mutex_);
    return closed_ ? std::string() : address_of(descriptor_, of_peer).text();
}

task<> connection::connect(address to) {
    if (to.family() == AF_UNIX)
        return connect_to_path(to);
    return connect_to_host(to);
}

task<> connection::connect_to_host(address to) {
    use const here(*this);
    boost::system::error_code failed;
    boost::asio::generic::stream_protocol::endpoint const endpoint(to.data(), to.size());
    co_await socket_->async_connect(endpoint, await(failed, descriptor_));
    if (failed)
        throw std::system_error(failed.value(), std::generic_category(), "aya::io::open_connection: " + to.text());
    // Registered anew: Asio goes on watching for room, and each wait of a reader's would begin with that event.
    unique_descriptor same(socket_->release());
    hand_over(std::move(same), *socket_, boost::asio::generic::stream_protocol(to.family(), 0));
}

// A Unix socket whose backlog is full gives EAGAIN, and nothing to wait for.
task<> connection::connect_to_path(address to) {
    use const here(*this);
    duration pause = std::chrono::milliseconds(1);
    while (::connect(descriptor_, to.data(), to.size()) != 0) {
        int const error = errno;
        if (error == EINTR)
            continue;
        if (error != EAGAIN)
            throw std::system_error(error, std::generic_category(), "aya::io::open_unix_connection: " + to.text());
        co_await sleep(pause);
        pause = std::min<duration>(2 * pause, longest_pause);
    }
}

std::string connection::alpn() const {
    std::lock_guard const guard(mutex_);
    return tls_ ? tls_->alpn() : std::string();
}

// --- writing --------------------------------------------------------------------------------------------------------------------------

// With the mutex held. A closed descriptor's number may be another one's by now.
long connection::send_now(std::string_view bytes) noexcept {
    assert(!closed_);
    return kind_ == kind::socket ? ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT)
                                 : write_without_signal(descriptor_, bytes);
}

void connection::write(std::string_view data) {
    std::lock_guard const guard(mutex_);
    if (eof_asked_)
        aya::detail::throw_invalid_state("aya::io::stream_writer::write: after write_eof()");
    if (closing_.load() || lost_ || data.empty())
        return;
    if (tls_) {
        try {
            tls_->encrypt(data);
        } catch (ssl_error const&) {
            fail(std::current_exception());
            return;
        }
        to_send_.append(tls_->to_send());
    } else {
        if (to_send_.empty() && !waits_for_room_.load()) {
            long const n = send_now(data);
            if (n < 0 && !would_block(errno)) {
                fail(system_failure(errno, "aya::io: writing"));
                return;
            }
            data.remove_prefix(static_cast<std::size_t>(std::max(n, 0L)));
        }
        to_send_.append(data);
    }
    send_all();
}

// With the mutex held: now what goes, the rest in the background.
void connection::send_all() {
    if (lost_ || closed_)
        to_send_.consume(to_send_.size());
    else if (!waits_for_room_.load() && !to_send_.empty() && !send_some())
        send_later();
    update_marks();
}

// With the mutex held. True when nothing is left.
bool connection::send_some() {
    while (!to_send_.empty()) {
        long const n = send_now(to_send_.view());
        if (n >= 0) {
            to_send_.consume(static_cast<std::size_t>(n));
        } else if (would_block(errno)) {
            return false;
        } else {
            fail(system_failure(errno, "aya::io: writing"));
            return true;
        }
    }
    if (eof_asked_ && kind_ == kind::socket)
        (void)::shutdown(descriptor_, SHUT_WR);
    return true;
}

/// What Asio keeps meanwhile. It drops it when the runtime ends, and when it cannot begin.
class connection::room_handler {
public:
    explicit room_handler(std::shared_ptr<connection> c) noexcept : connection_(std::move(c)) {}
    room_handler(room_handler&&) = default;
    room_handler& operator=(room_handler&&) = delete;
    ~room_handler() {
        if (connection_ != nullptr && connection_->waits_for_room_.load())
            connection_->room_to_send(boost::asio::error::connection_aborted);
    }
    void operator()(boost::system::error_code const& failed) noexcept { std::exchange(connection_, nullptr)->room_to_send(failed); }

private:
    std::shared_ptr<connection> connection_;
};

// With the mutex held.
void connection::send_later() {
    if (context_->ended()) { // nothing would send it
        fail(runtime_has_ended());
        return;
    }
    room_handler when_there_is_room(shared_from_this());
    if (socket_)
        socket_->async_wait(boost::asio::socket_base::wait_write, std::move(when_there_is_room));
    else
        pipe_->async_wait(boost::asio::posix::descriptor_base::wait_write, std::move(when_there_is_room));
    waits_for_room_.store(true);
    ++users_;
}

void connection::room_to_send(boost::system::error_code const& failed) noexcept {
    std::lock_guard const guard(mutex_);
    waits_for_room_.store(false);
    --users_;
    try {
        if (failed && !lost_)
            fail(system_failure(failed.value(), "aya::io: writing"));
        else if (!lost_)
            send_all();
    } catch (...) {
        fail(std::current_exception());
    }
    finish_if_idle();
}

// With the mutex held.
void connection::update_marks() noexcept {
    if (to_send_.size() > high_)
        below_mark_.clear();
    else if (to_send_.size() <= low_)
        below_mark_.set();
}

task<> connection::drain(std::shared_ptr<connection> c) {
    while (!c->is_drained())
        co_await c->below_mark_.wait();
    if (c->closing_.load())
        co_await yield(); // a loop of write and drain on a closing connection lets others run
}

bool connection::is_drained() {
    std::lock_guard const guard(mutex_);
    if (error_ != nullptr)
        std::rethrow_exception(error_);
    if (lost_ || closed_)
        throw_errno(ECONNRESET, "aya::io::stream_writer::drain: the connection is closed");
    return below_mark_.is_set();
}

void connection::set_limits(std::size_t high, std::size_t low) {
    if (low > high)
        throw std::invalid_argument("aya::io::stream_writer::set_write_buffer_limits: low is above high");
    std::lock_guard const guard(mutex_);
    high_ = high;
    low_ = low;
    update_marks();
}

std::size_t connection::unsent() const {
    std::lock_guard const guard(mutex_);
    return to_send_.size();
}

bool connection::can_write_eof() const {
    std::lock_guard const guard(mutex_);
    return kind_ == kind::pipe || !tls_;
}

void connection::write_eof() {
    if (kind_ == kind::pipe) {
        close();
        return;
    }
    std::lock_guard const guard(mutex_);
    if (tls_)
        aya::detail::throw_invalid_state("aya::io::stream_writer::write_eof: TLS has no end of one direction");
    if (closing_.load() || std::exchange(eof_asked_, true))
        return;
    if (to_send_.empty())
        (void)::shutdown(descriptor_, SHUT_WR);
}

} // namespace aya::inline v1::io::detail
