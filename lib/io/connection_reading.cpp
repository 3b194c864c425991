// SPDX-License-Identifier: Apache-2.0
// How a connection receives.
#include "io/connection.hpp"

#include <aya/sleep.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/socket_base.hpp>

#include <algorithm>
#include <cerrno>
#include <span>

#include <sys/socket.h>
#include <unistd.h>

namespace aya::inline v1::io::detail {

namespace {

constexpr std::size_t least_ahead = 4 * 1024;
constexpr std::size_t most_ahead = 256 * 1024;
constexpr unsigned most_reads_at_once = 8; // of a peer that is faster than the reader, before others get their turn
constexpr std::size_t tls_room = 16 * 1024 + 512; // a record

} // namespace

connection::reading::reading(connection& c) : connection_(&c) {
    if (c.read_by_.exchange(true))
        aya::detail::throw_invalid_state("aya::io::stream_reader: another task is reading from it");
}

// Nobody but the reader starts TLS, so that it may look without the mutex.
task<> connection::fill(std::string* direct, std::size_t most) { return tls_ ? fill_decrypted() : receive(direct, most); }

// One read: into `direct` and `received`, or for TLS to decrypt.
task<> connection::receive(std::string* direct, std::size_t most) {
    use const here(*this);
    if (!here.entered()) {
        take({}, direct, most); // that is the end
        co_return;
    }
    if (more_likely_ && reads_at_once_ != most_reads_at_once) {
        // After a full read: not for ever, since only a suspension lets others run and notices a cancellation.
        ++reads_at_once_;
        if (receive_now(direct, most))
            co_return;
    } else {
        reads_at_once_ = 0;
        // A peer that waits for answers has sent nothing yet right after one. Where others have something to do first, it has by the time they are
        // through, and neither the wait nor its event is needed. A pipe that is closed meanwhile would not end the wait.
        if (kind_ == kind::socket && second_look_.pays()) {
            co_await yield();
            bool const came = receive_now(direct, most);
            second_look_.learn(came);
            if (came)
                co_return;
        }
    }
    for (bool in_vain = false;; in_vain = true) {
        boost::system::error_code failed;
        auto const token = await(failed, descriptor_, "I/O: receive");
        char first = 0;
        if (!socket_)
            co_await pipe_->async_wait(boost::asio::posix::descriptor_base::wait_read, token);
        else if (!in_vain)
            co_await socket_->async_wait(boost::asio::socket_base::wait_read, token);
        else // as long as there is something that is no data, say in the error queue, such a wait would end at once, again and again
            (void)co_await socket_->async_receive(boost::asio::buffer(&first, 1), boost::asio::socket_base::message_peek, token);
        if (failed == boost::asio::error::eof)
            failed.clear(); // it is read below
        if (failed && !closing_.load())
            fail_reading(failed.value());
        if (!failed && receive_now(direct, most))
            co_return;
        if (closing_.load()) {
            take({}, direct, most); // that is the end
            co_return;
        }
    }
}

// False when there is nothing.
bool connection::receive_now(std::string* direct, std::size_t most) {
    // Into memory that the thread has at hand: a buffer of each connection's own that waits for it would be out of the
    // cache by then, and take memory meanwhile. Not cleared.
    char here[64 * 1024];
    std::size_t const size = tls_ ? tls_room : std::clamp(2 * std::min(limit_, most_ahead), least_ahead, most_ahead);
    bool const in_place = more_likely_ && !tls_;
    std::span<char> const room = in_place ? received.prepare(size) : std::span(here, std::min(size, sizeof here));
    long const got = kind_ == kind::socket ? ::recv(descriptor_, room.data(), room.size(), MSG_DONTWAIT)
                                           : ::read(descriptor_, room.data(), room.size());
    int const error = got < 0 ? errno : 0;
    if (error != 0 && !would_block(error) && !closing_.load())
        fail_reading(error);
    auto const n = static_cast<std::size_t>(std::max(got, 0L));
    more_likely_ = n == room.size();
    if (would_block(error)) {
        received.shrink(sizeof here); // who waits keeps no more
        return false;
    }
    if (in_place && n != 0) {
        received.commit(n);
        note_received();
    } else {
        take({here, n}, direct, most);
    }
    return true;
}

// What one read gave: the end, if that is nothing.
void connection::take(std::string_view bytes, std::string* direct, std::size_t most) {
    usual_ = std::max(bytes.size(), usual_ / 2);
    received.shrink(4 * std::max(usual_, least_ahead)); // of messages that were larger for long
    try {
        if (tls_) {
            std::lock_guard const guard(mutex_);
            if (bytes.empty())
                tls_->received_end();
            else
                tls_->received(bytes);
            return;
        }
        if (bytes.empty())
            ended_.store(true);
        if (direct != nullptr && received.empty()) {
            direct->assign(bytes.substr(0, most));
            bytes.remove_prefix(direct->size());
        }
        received.append(bytes);
        note_received();
    } catch (...) { // no memory: what came is lost
        std::lock_guard const guard(mutex_);
        fail(std::current_exception());
        throw;
    }
}

void connection::fail_reading(int error) {
    std::lock_guard const guard(mutex_);
    fail(system_failure(error, "aya::io: reading"));
    std::rethrow_exception(error_);
}

} // namespace aya::inline v1::io::detail
