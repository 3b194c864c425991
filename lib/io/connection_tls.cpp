// SPDX-License-Identifier: Apache-2.0
// TLS of a connection: what is received is decrypted, and the handshake.
#include "io/connection.hpp"

#include <aya/timeout.hpp>

#include <cerrno>
#include <stdexcept>
#include <utility>

namespace aya::inline v1::io::detail {

namespace {

constexpr std::size_t least_room = 4 * 1024;

} // namespace

task<> connection::fill_decrypted() {
    while (!ended_.load()) {
        {
            std::lock_guard const guard(mutex_);
            if (decrypt())
                break;
        }
        co_await receive();
    }
    note_received();
}

// With the mutex held. Whether there is something, be it the end.
bool connection::decrypt() {
    bool any = false;
    try {
        for (;;) {
            std::span<char> const room = received.prepare(least_room);
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

// The descriptor stays until the end, be it closed meanwhile: bytes that belong to nobody go nowhere.
task<> connection::handshake(std::shared_ptr<ssl_context::state> context, bool server, std::string name) {
    reading const turn(*this);
    use const here(*this);
    if (!here.entered())
        throw_errno(ECONNRESET, "aya::io: TLS handshake: the connection is closed");
    std::unique_lock lock(mutex_);
    if (tls_)
        aya::detail::throw_invalid_state("aya::io::stream_writer::start_tls: the connection has TLS already");
    tls_context_ = std::move(context);
    tls_.emplace(*tls_context_, server, name);
    if (!received.empty()) { // read ahead
        tls_->received(received.view());
        received.consume(received.size());
    }
    for (;;) {
        bool done = false;
        std::exception_ptr failure;
        try {
            done = tls_->handshake();
        } catch (...) {
            failure = std::current_exception();
        }
        if (closing_.load())
            throw_errno(ECONNRESET, "aya::io: TLS handshake: the connection was closed");
        to_send_.append(tls_->to_send()); // the reason of a failure, too
        send_all();
        if (failure != nullptr)
            fail(failure);
        if (error_ != nullptr)
            std::rethrow_exception(error_);
        if (done)
            co_return;
        lock.unlock();
        co_await receive();
        lock.lock();
    }
}

task<> connection::start_tls(std::shared_ptr<connection> c, std::shared_ptr<ssl_context::state> context, bool server, std::string name,
                             duration at_most) {
    if (at_most <= duration::zero())
        throw std::invalid_argument("aya::io: ssl_handshake_timeout: it has to be above 0");
    auto shake_hands = [](connection* on, std::shared_ptr<ssl_context::state> with, bool as_server, std::string of) {
        return on->handshake(std::move(with), as_server, std::move(of));
    };
    try {
        co_await timeout(at_most, shake_hands, c.get(), std::move(context), server, std::move(name));
    } catch (timeout_error const&) {
        c->abort();
        throw_errno(ECONNABORTED, "aya::io: TLS handshake: it takes longer than ssl_handshake_timeout");
    } catch (cancelled_error const&) {
        c->abort(); // there is no way back to the bytes as they are
        throw;
    }
}

} // namespace aya::inline v1::io::detail
