// SPDX-License-Identifier: Apache-2.0
#include "io/connection.hpp"

#include <aya/sleep.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace aya::inline v1::io::detail {

namespace {

constexpr std::size_t first_room = 4096;
constexpr std::size_t most_room = 256 * 1024;
constexpr std::size_t tls_room = 16 * 1024 + 512; // a record

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

bool would_block(int error) noexcept { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

} // namespace

void throw_errno(int error, char const* what) { throw std::system_error(error, std::generic_category(), what); }

std::exception_ptr system_failure(int error, char const* what) noexcept {
    try {
        return std::make_exception_ptr(std::system_error(error, std::generic_category(), what));
    } catch (...) {
        return std::current_exception();
    }
}

// --- bytes ----------------------------------------------------------------------------------------------------------------------------

std::span<char> byte_buffer::prepare(std::size_t least) {
    if (capacity_ - end_ >= least)
        return {data_.get() + end_, capacity_ - end_};
    if (capacity_ - size() >= least && begin_ >= size()) { // no overlap, and not too often
        std::memcpy(data_.get(), data_.get() + begin_, size());
    } else {
        std::size_t const capacity = std::max(size() + least, empty() ? least : 2 * capacity_);
        std::unique_ptr<char[]> larger(new char[capacity]); // not cleared
        if (!empty())
            std::memcpy(larger.get(), data_.get() + begin_, size());
        data_ = std::move(larger);
        capacity_ = capacity;
    }
    end_ -= begin_;
    begin_ = 0;
    return {data_.get() + end_, capacity_ - end_};
}

void byte_buffer::append(std::string_view bytes) {
    if (bytes.empty())
        return;
    std::memcpy(prepare(bytes.size()).data(), bytes.data(), bytes.size());
    commit(bytes.size());
}

void byte_buffer::consume(std::size_t n) noexcept {
    begin_ += std::min(n, size());
    if (begin_ == end_)
        begin_ = end_ = 0;
}

std::string byte_buffer::take(std::size_t n) {
    std::string bytes(view().substr(0, n));
    consume(n);
    return bytes;
}

// --- life -----------------------------------------------------------------------------------------------------------------------------

/// An operation on the descriptor: it is not closed meanwhile.
class connection::use {
public:
    /// False when there is nothing to use any more.
    explicit use(connection& c) : connection_(&c) {
        std::lock_guard const guard(c.mutex_);
        if (c.error_ != nullptr)
            std::rethrow_exception(c.error_);
        entered_ = !c.closing_.load();
        if (entered_)
            ++c.users_;
    }
    ~use() {
        if (entered_)
            connection_->leave();
    }
    use(use const&) = delete;
    use& operator=(use const&) = delete;
    [[nodiscard]] bool entered() const noexcept { return entered_; }

private:
    connection* connection_;
    bool entered_ = false;
};

connection::connection(boost::asio::io_context& where, int descriptor, kind k, std::size_t limit)
    : kind_(k), descriptor_(descriptor), limit_(limit) {
    below_mark_.set();
    try {
        if (limit == 0)
            throw std::invalid_argument("aya::io: limit: it is 0, and has to be at least 1");
        if (k == kind::pipe) {
            pipe_.emplace(where).assign(descriptor);
            pipe_->non_blocking(true);
            return;
        }
        int family = 0;
        socklen_t size = sizeof family;
        if (::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0)
            throw_errno(errno, "aya::io: a socket");
        socket_.emplace(where).assign(boost::asio::generic::stream_protocol(family, 0), descriptor);
        socket_->non_blocking(true);
    } catch (...) {
        if (!(socket_ && socket_->is_open()) && !(pipe_ && pipe_->is_open()))
            ::close(descriptor);
        throw;
    }
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

task<> connection::wait_closed() {
    auto const self = shared_from_this();
    co_await closed_event_.wait();
    std::lock_guard const guard(mutex_);
    if (error_ != nullptr)
        std::rethrow_exception(error_);
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
    use const here(*this);
    boost::system::error_code failed;
    boost::asio::generic::stream_protocol::endpoint const endpoint(to.data(), to.size());
    co_await socket_->async_connect(endpoint, await(failed));
    if (failed)
        throw std::system_error(failed.value(), std::generic_category(), "aya::io::open_connection: " + to.text());
}

std::string connection::alpn() const {
    std::lock_guard const guard(mutex_);
    return tls_ ? tls_->alpn() : std::string();
}

// --- reading --------------------------------------------------------------------------------------------------------------------------

connection::reading::reading(connection& c) : connection_(&c) {
    if (c.read_by_.exchange(true))
        aya::detail::throw_invalid_state("aya::io::stream_reader: another task is reading from it");
}

task<> connection::fill() {
    if (ended_.load())
        co_return;
    std::unique_lock lock(mutex_);
    bool const encrypted = tls_.has_value();
    lock.unlock();
    if (!encrypted) {
        std::span<char> const room = received.prepare(room_);
        std::size_t const n = co_await receive_raw(room);
        received.commit(n);
        more_likely_ = n == room.size();
        if (more_likely_)
            room_ = std::min(2 * room_, most_room);
        if (n == 0)
            ended_.store(true);
        note_received();
        co_return;
    }
    for (;;) {
        lock.lock();
        bool const got = decrypt();
        lock.unlock();
        if (got)
            break;
        if (tls_room_ == nullptr)
            tls_room_.reset(new char[tls_room]);
        std::size_t const n = co_await receive_raw({tls_room_.get(), tls_room});
        lock.lock();
        if (n == 0)
            tls_->received_end();
        else
            tls_->received({tls_room_.get(), n});
        lock.unlock();
    }
    note_received();
}

// With the mutex held. Whether there is something, be it the end.
bool connection::decrypt() {
    bool any = false;
    try {
        for (;;) {
            std::span<char> const room = received.prepare(first_room);
            tls_engine::result const r = tls_->decrypt(room);
            if (r.is == tls_engine::state::ended)
                ended_.store(true);
            if (r.is != tls_engine::state::data)
                break;
            received.commit(r.bytes);
            any = true;
        }
        to_send_.append(tls_->to_send()); // an answer of the protocol's own
        send_all();
    } catch (...) {
        fail(std::current_exception());
        throw;
    }
    return any || ended_.load();
}

// 0 at the end.
task<std::size_t> connection::receive_raw(std::span<char> room) {
    use const here(*this);
    if (!here.entered())
        co_return 0;
    if (more_likely_) {
        long const n = kind_ == kind::socket ? ::recv(descriptor_, room.data(), room.size(), MSG_DONTWAIT)
                                             : ::read(descriptor_, room.data(), room.size());
        if (n >= 0)
            co_return static_cast<std::size_t>(n);
        if (!would_block(errno)) {
            std::lock_guard const guard(mutex_);
            fail(system_failure(errno, "aya::io: reading"));
            std::rethrow_exception(error_);
        }
        more_likely_ = false;
    }
    boost::system::error_code failed;
    std::size_t n = 0;
    if (socket_)
        n = co_await socket_->async_read_some(boost::asio::buffer(room.data(), room.size()), await(failed));
    else
        n = co_await pipe_->async_read_some(boost::asio::buffer(room.data(), room.size()), await(failed));
    if (failed && failed != boost::asio::error::eof && !closing_.load()) {
        std::lock_guard const guard(mutex_);
        fail(system_failure(failed.value(), "aya::io: reading"));
        std::rethrow_exception(error_);
    }
    co_return failed ? 0 : n;
}

// --- writing --------------------------------------------------------------------------------------------------------------------------

long connection::send_now(std::string_view bytes) noexcept {
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
        if (to_send_.empty() && !waits_for_room_) {
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
    if (!waits_for_room_ && !to_send_.empty() && !send_some())
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

// With the mutex held.
void connection::send_later() {
    auto when_there_is_room = [self = shared_from_this()](boost::system::error_code const& failed) { self->room_to_send(failed); };
    if (socket_)
        socket_->async_wait(boost::asio::socket_base::wait_write, std::move(when_there_is_room));
    else
        pipe_->async_wait(boost::asio::posix::descriptor_base::wait_write, std::move(when_there_is_room));
    waits_for_room_ = true;
    ++users_;
}

void connection::room_to_send(boost::system::error_code const& failed) noexcept {
    std::lock_guard const guard(mutex_);
    waits_for_room_ = false;
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

task<> connection::drain() {
    auto const self = shared_from_this();
    for (;;) {
        bool leaves = false;
        {
            std::lock_guard const guard(mutex_);
            if (error_ != nullptr)
                std::rethrow_exception(error_);
            if (lost_ || closed_)
                throw_errno(ECONNRESET, "aya::io::stream_writer::drain: the connection is closed");
            if (below_mark_.is_set()) {
                if (!closing_.load())
                    co_return;
                leaves = true;
            }
        }
        if (leaves)
            break;
        co_await below_mark_.wait();
    }
    co_await yield(); // a loop of write and drain on a closing connection lets others run
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

// --- TLS ------------------------------------------------------------------------------------------------------------------------------

task<> connection::handshake(std::shared_ptr<ssl_context::state> context, bool server, std::string name) {
    auto const self = shared_from_this();
    reading const turn(*this);
    std::unique_lock lock(mutex_);
    if (tls_)
        aya::detail::throw_invalid_state("aya::io::stream_writer::start_tls: the connection has TLS already");
    tls_context_ = std::move(context);
    tls_.emplace(*tls_context_, server, name);
    if (!received.empty()) { // read ahead
        tls_->received(received.view());
        received.consume(received.size());
    }
    std::exception_ptr failure;
    for (;;) {
        bool done = false;
        try {
            done = tls_->handshake();
        } catch (ssl_error const&) {
            failure = std::current_exception();
        }
        to_send_.append(tls_->to_send()); // the reason of a failure, too
        send_all();
        if (failure != nullptr) {
            fail(failure);
            std::rethrow_exception(failure);
        }
        if (done)
            co_return;
        lock.unlock();
        if (tls_room_ == nullptr)
            tls_room_.reset(new char[tls_room]);
        std::size_t const n = co_await receive_raw({tls_room_.get(), tls_room});
        lock.lock();
        if (n == 0)
            tls_->received_end();
        else
            tls_->received({tls_room_.get(), n});
    }
}

} // namespace aya::inline v1::io::detail
