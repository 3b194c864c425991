// SPDX-License-Identifier: Apache-2.0
#include <aya/io/stream.hpp>

#include "io/connection.hpp"

#include <stdexcept>
#include <utility>

namespace aya::inline v1::io {

using detail::connection;

namespace {

using shared = std::shared_ptr<connection>;

task<std::string> read_some(shared c, std::size_t n) {
    connection::reading const turn(*c);
    if (n == 0)
        co_return std::string();
    std::string bytes;
    while (bytes.empty() && c->received.empty() && !c->ended())
        co_await c->fill(&bytes, n);
    if (bytes.empty()) {
        bytes = c->received.take(n);
        c->note_received();
    }
    co_return bytes;
}

task<std::string> read_all(shared c) {
    connection::reading const turn(*c);
    while (!c->ended())
        co_await c->fill();
    std::string bytes = c->received.take(c->received.size());
    c->note_received();
    co_return bytes;
}

task<std::string> read_exactly(shared c, std::size_t n) {
    connection::reading const turn(*c);
    while (c->received.size() < n && !c->ended())
        co_await c->fill();
    bool const enough = c->received.size() >= n;
    std::string bytes = c->received.take(n);
    c->note_received();
    if (!enough)
        throw incomplete_read_error(std::move(bytes), n);
    co_return bytes;
}

task<std::string> read_until(shared c, std::string separator) {
    connection::reading const turn(*c);
    if (separator.empty())
        throw std::invalid_argument("aya::io::stream_reader::readuntil: separator: it is empty");
    std::size_t searched = 0;
    for (;;) {
        std::string_view const bytes = c->received.view();
        std::size_t const at = bytes.find(separator, searched);
        if (at != bytes.npos) {
            if (at > c->limit())
                throw limit_overrun_error("the separator is found, but the chunk is longer than the limit", at);
            std::string chunk = c->received.take(at + separator.size());
            c->note_received();
            co_return chunk;
        }
        // What may be the separator's beginning is searched again.
        searched = bytes.size() < separator.size() ? 0 : bytes.size() + 1 - separator.size();
        if (searched > c->limit())
            throw limit_overrun_error("the separator is not found, and the chunk exceeds the limit", searched);
        if (c->ended()) {
            std::string rest = c->received.take(bytes.size());
            c->note_received();
            throw incomplete_read_error(std::move(rest), 0);
        }
        co_await c->fill();
    }
}

task<std::string> read_line(shared c) {
    try {
        co_return co_await read_until(c, "\n");
    } catch (incomplete_read_error const& e) {
        co_return e.partial();
    } catch (limit_overrun_error const& e) {
        if (c->received.view().substr(e.consumed(), 1) == "\n")
            c->received.consume(e.consumed() + 1);
        else
            c->received.consume(c->received.size());
        c->note_received();
        throw std::length_error(std::string("aya::io::stream_reader::readline: ") + e.what());
    }
}

// A handle that was moved from has none.
shared const& checked(shared const& c, char const* what) {
    if (c == nullptr)
        aya::detail::throw_invalid_state(what);
    return c;
}

} // namespace

shared const& stream_reader::used() const { return checked(connection_, "aya::io::stream_reader: it was moved from"); }
shared const& stream_writer::used() const { return checked(connection_, "aya::io::stream_writer: it was moved from"); }

task<std::string> stream_reader::read(std::size_t n) { return read_some(used(), n); }
task<std::string> stream_reader::read() { return read_all(used()); }
task<std::string> stream_reader::readexactly(std::size_t n) { return read_exactly(used(), n); }
task<std::string> stream_reader::readuntil(std::string separator) { return read_until(used(), std::move(separator)); }
task<std::string> stream_reader::readline() { return read_line(used()); }
bool stream_reader::at_eof() const { return used()->at_eof(); }

void stream_writer::write(std::string_view data) { used()->write(data); }
task<> stream_writer::drain() { return connection::drain(used()); }
void stream_writer::set_write_buffer_limits(std::size_t high, std::size_t low) { used()->set_limits(high, low); }
std::size_t stream_writer::get_write_buffer_size() const { return used()->unsent(); }
void stream_writer::write_eof() { used()->write_eof(); }
bool stream_writer::can_write_eof() const { return used()->can_write_eof(); }
void stream_writer::close() { used()->close(); }
bool stream_writer::is_closing() const { return used()->is_closing(); }
task<> stream_writer::wait_closed() { return connection::wait_closed(used()); }
void stream_writer::abort() { used()->abort(); }
std::string stream_writer::peername() const { return used()->name(true); }
std::string stream_writer::sockname() const { return used()->name(false); }
int stream_writer::descriptor() const { return used()->descriptor(); }
std::string stream_writer::alpn_protocol() const { return used()->alpn(); }

task<> stream_writer::start_tls(ssl_context const& context, std::string server_hostname, duration ssl_handshake_timeout) {
    return connection::start_tls(used(), context.shared(), false, std::move(server_hostname), ssl_handshake_timeout);
}
task<> stream_writer::start_tls_as_server(ssl_context const& context, duration ssl_handshake_timeout) {
    return connection::start_tls(used(), context.shared(), true, {}, ssl_handshake_timeout);
}

} // namespace aya::inline v1::io
