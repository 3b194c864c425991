// SPDX-License-Identifier: Apache-2.0
#include "http/server.hpp"

#include <aya/wait.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>
#include <vector>

namespace test {

std::string message::field(std::string_view name) const {
    auto const lower = [](std::string_view s) {
        std::string t(s);
        std::ranges::transform(t, t.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        return t;
    };
    std::size_t const at = lower(head).find("\r\n" + lower(name) + ":");
    if (at == std::string::npos)
        return {};
    std::size_t const from = at + 3 + name.size();
    std::string value = head.substr(from, head.find("\r\n", from) - from);
    value.erase(0, value.find_first_not_of(' ') == std::string::npos ? value.size() : value.find_first_not_of(' '));
    return value;
}

aya::task<bool> connection::fill() {
    if (ended_)
        co_return false; // Asio's reads after the end wait for an event that does not come a second time
    std::array<char, 16384> bytes{};
    auto [failed, n] = co_await socket.async_read_some(asio::buffer(bytes), asio::as_tuple(aya::io::await));
    ended_ = static_cast<bool>(failed);
    if (failed)
        co_return false;
    buffer_.append(bytes.data(), n);
    co_return true;
}

aya::task<std::optional<message>> connection::read() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
        if (!co_await fill())
            co_return std::nullopt;
    }
    message m;
    m.head = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    m.method = m.head.substr(0, m.head.find(' '));
    std::size_t const target = m.method.size() + 1;
    m.target = m.head.substr(target, m.head.find(' ', target) - target);
    if (std::string const length = m.field("Content-Length"); !length.empty()) {
        while (buffer_.size() < std::stoul(length))
            if (!co_await fill())
                co_return std::nullopt;
        m.body = buffer_.substr(0, std::stoul(length));
        buffer_.erase(0, m.body.size());
    } else if (m.field("Transfer-Encoding") == "chunked") {
        for (;;) {
            while ((end = buffer_.find("\r\n")) == std::string::npos)
                if (!co_await fill())
                    co_return std::nullopt;
            std::size_t const size = std::stoul(buffer_.substr(0, end), nullptr, 16);
            while (buffer_.size() < end + 2 + size + 2)
                if (!co_await fill())
                    co_return std::nullopt;
            m.body += buffer_.substr(end + 2, size);
            buffer_.erase(0, end + 2 + size + 2);
            if (size == 0)
                break;
        }
    }
    co_return m;
}

aya::task<bool> connection::asked() {
    std::optional<message> const m = co_await read();
    co_return m.has_value();
}

aya::task<bool> connection::write(std::string bytes) {
    auto [failed, n] = co_await asio::async_write(socket, asio::buffer(bytes), asio::as_tuple(aya::io::await));
    co_return !failed;
}

aya::task<> connection::closed() {
    bool open = true;
    while (open) {
        open = co_await fill();
        buffer_.clear();
    }
}

void connection::abort() {
    boost::system::error_code ignored;
    socket.set_option(asio::socket_base::linger(true, 0), ignored);
    socket.close(ignored);
}

server::server(connection_body body)
    : body_(std::move(body)), acceptor_(aya::io::context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
      port_(acceptor_.local_endpoint().port()), task_(aya::create_task(accept())) {}

std::string server::url(std::string_view path) const { return "http://127.0.0.1:" + std::to_string(port_) + std::string(path); }

aya::task<> server::stop() {
    task_.cancel();
    std::vector<aya::task_handle<void>> const accepting(1, task_);
    co_await aya::wait(accepting);
    acceptor_.close();
}

aya::task<> server::accept() {
    auto in_group = [](aya::task_group& group, server* self) -> aya::task<> {
        for (;;) {
            tcp::socket s = co_await self->acceptor_.async_accept(aya::io::await);
            self->accepted_.fetch_add(1);
            self->open_.fetch_add(1);
            group.create_task(self->serve(std::move(s)));
        }
    };
    co_await aya::with_task_group(in_group, this);
}

aya::task<> server::serve(tcp::socket s) {
    struct leaving {
        std::atomic<int>& open;
        explicit leaving(std::atomic<int>& o) : open(o) {}
        ~leaving() { open.fetch_sub(1); }
    } const on_the_way_out(open_);
    auto c = std::make_shared<connection>(std::move(s));
    try {
        co_await body_(c);
    } catch (std::exception const&) {
        // The connection broke.
    }
}

std::string reply(std::string_view body, std::string_view status, std::string_view fields) {
    return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(fields) + "\r\n" +
           std::string(body);
}

namespace {

aya::task<> answer(std::shared_ptr<connection> c, std::function<std::string(message const&)> f) {
    while (auto m = co_await c->read()) {
        std::string bytes = f(*m);
        if (!co_await c->write(std::move(bytes)))
            co_return;
    }
}
aya::task<> say(std::shared_ptr<connection> c, std::string bytes) {
    bool const asked = co_await c->asked();
    if (asked)
        (void)co_await c->write(std::move(bytes));
}
aya::task<> say_nothing(std::shared_ptr<connection> c) {
    (void)co_await c->asked();
    co_await c->closed();
}

} // namespace

connection_body answering(std::function<std::string(message const&)> f) {
    return [f](std::shared_ptr<connection> c) { return answer(std::move(c), f); };
}
connection_body saying(std::string bytes) {
    return [bytes](std::shared_ptr<connection> c) { return say(std::move(c), bytes); };
}
connection_body silent() {
    return [](std::shared_ptr<connection> c) { return say_nothing(std::move(c)); };
}

} // namespace test
