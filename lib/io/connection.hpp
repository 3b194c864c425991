// SPDX-License-Identifier: Apache-2.0
// What a stream's reader and writer share: the descriptor, what was received and not read yet, what is to be sent, and TLS in between.
//
// Asio's objects know no threads, and two tasks use this one. The socket is non-blocking from the start, so that starting a read and starting a wait
// for room change nothing that the other one reads; everything else is under the mutex, which is never held over a suspension. The descriptor is
// closed when nobody is in an operation (`users_`); a reader that waits is brought to an end by shutdown(2), which knows threads.
#pragma once

#include "io/address.hpp"
#include "io/byte_buffer.hpp"
#include "io/driver.hpp"
#include "io/descriptor.hpp"
#include "io/tls_engine.hpp"

#include <aya/io/await.hpp>
#include <aya/io/errors.hpp>
#include <aya/sync/event.hpp>
#include <aya/task.hpp>
#include <aya/time.hpp>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace aya::inline v1::io::detail {

/// Whether it pays to look once more before a wait: a look in vain costs a fifth of the wait that one saves which finds something.
class second_look {
public:
    [[nodiscard]] bool pays() noexcept { return credit_ != 0 || ++skipped_ % 16 == 0; }
    void learn(bool found) noexcept {
        if (found)
            credit_ = credit_ < 12 ? credit_ + 4 : 16;
        else if (credit_ != 0)
            --credit_;
    }

private:
    unsigned credit_ = 8;
    unsigned skipped_ = 0;
};

class connection : public std::enable_shared_from_this<connection> {
public:
    enum class kind { socket, pipe };

    connection(std::shared_ptr<aya::detail::driver_context> where, unique_descriptor descriptor, kind k, std::size_t limit);
    ~connection();

    // --- the reader: one task at a time, which holds a `reading` ---

    class reading {
    public:
        explicit reading(connection& c);
        ~reading() { connection_->read_by_.store(false); }
        reading(reading const&) = delete;
        reading& operator=(reading const&) = delete;

    private:
        connection* connection_;
    };

    byte_buffer received{64 * 1024}; // what comes again and again in messages of that size has its place
    [[nodiscard]] bool ended() const noexcept { return ended_.load(); }
    [[nodiscard]] bool at_eof() const noexcept { return ended_.load() && nothing_received_.load(); }
    [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
    /// Waits until there is more in `received`, or the end. Throws the connection's error. If nothing is there before, the first bytes, up to `most`,
    /// go to `direct` instead, where it is given; that may stay empty all the same.
    [[nodiscard]] task<> fill(std::string* direct = nullptr, std::size_t most = 0);
    /// After a change of `received`.
    void note_received() noexcept { nothing_received_.store(received.empty()); }

    // --- the writer: any thread ---

    void write(std::string_view data);
    [[nodiscard]] static task<> drain(std::shared_ptr<connection> c);
    void set_limits(std::size_t high, std::size_t low);
    [[nodiscard]] std::size_t unsent() const;
    void write_eof();
    [[nodiscard]] bool can_write_eof() const;
    void close() noexcept;
    void abort() noexcept;
    [[nodiscard]] bool is_closing() const noexcept { return closing_.load(); }
    /// Closed, or lost.
    [[nodiscard]] bool is_lost() const;
    /// Keeps `membership` until it is closed.
    void join(std::shared_ptr<void> membership);
    [[nodiscard]] static task<> wait_closed(std::shared_ptr<connection> c);
    /// -1 when it is closed.
    [[nodiscard]] int descriptor() const noexcept;
    [[nodiscard]] std::string name(bool of_peer) const;
    [[nodiscard]] std::string alpn() const;

    [[nodiscard]] task<> connect(address to);
    /// Throws ssl_error, and std::system_error with connection_aborted after `at_most`. The connection is lost then.
    [[nodiscard]] static task<> start_tls(std::shared_ptr<connection> c, std::shared_ptr<ssl_context::state> context, bool server, std::string name,
                                          duration at_most);

private:
    /// An operation on the descriptor: it is not closed meanwhile.
    class use {
    public:
        /// Throws the connection's error. May find nothing to use any more.
        explicit use(connection& c);
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

    class room_handler;

    [[nodiscard]] task<> handshake(std::shared_ptr<ssl_context::state> context, bool server, std::string name);
    [[nodiscard]] task<> connect_to_host(address to);
    [[nodiscard]] task<> connect_to_path(address to);

    [[nodiscard]] task<> receive(std::string* direct = nullptr, std::size_t most = 0);
    [[nodiscard]] bool receive_now(std::string* direct, std::size_t most);
    void take(std::string_view bytes, std::string* direct, std::size_t most);
    [[noreturn]] void fail_reading(int error);
    [[nodiscard]] task<> fill_decrypted();
    bool decrypt();
    [[nodiscard]] bool is_drained();
    void send_all();
    [[nodiscard]] bool send_some();
    void send_later();
    void room_to_send(boost::system::error_code const& failed) noexcept;
    void fail(std::exception_ptr error) noexcept;
    void update_marks() noexcept;
    void leave() noexcept;
    void finish_if_idle() noexcept;
    [[nodiscard]] long send_now(std::string_view bytes) noexcept;

    std::shared_ptr<aya::detail::driver_context> const context_; // stays when the runtime goes first
    kind const kind_;
    int const descriptor_;
    std::size_t const limit_;
    // With the context's own executor type: what happens for each byte knows it at compile time.
    using executor = boost::asio::io_context::executor_type;
    std::optional<boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol, executor>> socket_;
    std::optional<boost::asio::posix::basic_stream_descriptor<executor>> pipe_;
    std::atomic<bool> read_by_{false};
    std::atomic<bool> ended_{false};
    std::atomic<bool> nothing_received_{true};
    bool more_likely_ = false; // the last read filled all the room; this and the next three are the reader's
    unsigned reads_at_once_ = 0; // in a row, without a wait
    std::size_t usual_ = 0; // about as much as the last reads gave
    second_look second_look_;

    mutable std::mutex mutex_; // guards what follows
    byte_buffer to_send_{16 * 1024};
    std::shared_ptr<ssl_context::state> tls_context_;
    std::optional<tls_engine> tls_;
    std::atomic<bool> waits_for_room_{false}; // an operation sends to_send_ in the background; written under the mutex
    bool eof_asked_ = false;
    bool lost_ = false; // nothing can be sent any more
    bool closed_ = false;
    unsigned users_ = 0; // operations that are under way or being started
    std::exception_ptr error_;
    std::size_t high_ = 64 * 1024;
    std::size_t low_ = 16 * 1024;
    std::atomic<bool> closing_{false}; // written under the mutex
    aya::event below_mark_;
    aya::event closed_event_;
    std::shared_ptr<void> membership_;
};

/// For the running task's runtime.
[[nodiscard]] std::shared_ptr<connection> new_connection(unique_descriptor descriptor, connection::kind k, std::size_t limit);
/// Small messages are not held back.
void send_at_once(int descriptor) noexcept;

[[nodiscard]] inline bool would_block(int error) noexcept { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }
[[nodiscard]] std::exception_ptr system_failure(int error, char const* what) noexcept;

} // namespace aya::inline v1::io::detail
