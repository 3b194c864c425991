// SPDX-License-Identifier: Apache-2.0
// A server on a loopback port whose every byte the test decides.
#pragma once

#include <aya/io/await.hpp>
#include <aya/task.hpp>
#include <aya/task_group.hpp>
#include <aya/task_handle.hpp>

#include <boost/asio.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace test {

namespace asio = boost::asio;
using asio::ip::tcp;

/// What a client sent.
struct message {
    std::string method;
    std::string target;
    std::string head; // with the request line
    std::string body;

    /// The value of a header field; empty when there is none.
    [[nodiscard]] std::string field(std::string_view name) const;
};

class connection {
public:
    explicit connection(tcp::socket s) : socket(std::move(s)) {}

    /// The next request; none when the client has closed.
    aya::task<std::optional<message>> read();
    /// Reads a request and forgets it; false when the client has closed.
    aya::task<bool> asked();
    /// False when the client is gone.
    aya::task<bool> write(std::string bytes);
    /// Waits until the client closes.
    aya::task<> closed();
    /// Ends the connection with a reset.
    void abort();

    tcp::socket socket;

private:
    aya::task<bool> fill();
    std::string buffer_;
    bool ended_ = false;
};

using connection_body = std::function<aya::task<>(std::shared_ptr<connection>)>;

/// Calls `body` for each connection, in a task of its own; what that leaves open is closed.
class server {
public:
    explicit server(connection_body body);
    server(server const&) = delete;
    server& operator=(server const&) = delete;

    [[nodiscard]] std::string url(std::string_view path = "/") const;
    [[nodiscard]] unsigned short port() const noexcept { return port_; }
    [[nodiscard]] int accepted() const noexcept { return accepted_.load(); }
    [[nodiscard]] int open() const noexcept { return open_.load(); }
    aya::task<> stop();

private:
    aya::task<> accept();
    aya::task<> serve(tcp::socket s);

    connection_body body_;
    tcp::acceptor acceptor_;
    unsigned short port_;
    std::atomic<int> accepted_{0};
    std::atomic<int> open_{0};
    aya::task_handle<void> task_;
};

/// "HTTP/1.1 `status`" with the length of `body`; `fields` are whole lines.
[[nodiscard]] std::string reply(std::string_view body, std::string_view status = "200 OK", std::string_view fields = {});

/// A connection's body that answers each request by what `f` says.
[[nodiscard]] connection_body answering(std::function<std::string(message const&)> f);
/// Reads one request, sends these bytes, and closes.
[[nodiscard]] connection_body saying(std::string bytes);
/// Reads one request, and says nothing.
[[nodiscard]] connection_body silent();

} // namespace test
