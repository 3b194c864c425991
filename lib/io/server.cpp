// SPDX-License-Identifier: Apache-2.0
#include <aya/io/server.hpp>

#include "executors/report_sink.hpp"
#include "executors/runtime_core.hpp"
#include "io/address.hpp"
#include "io/connection.hpp"

#include <aya/sleep.hpp>
#include <aya/task_handle.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>

#include <cerrno>
#include <list>
#include <mutex>
#include <system_error>
#include <utility>

#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <unistd.h>

namespace aya::inline v1::io::detail {

namespace {

constexpr int accepted_at_once = 64;
constexpr auto shortest_pause = std::chrono::milliseconds(5);
constexpr auto longest_pause = std::chrono::seconds(1);

// The process, or the system, has no descriptors or no memory left: the connection stays in the backlog.
bool out_of_resources(int error) noexcept {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

} // namespace

class server_core : public std::enable_shared_from_this<server_core> {
public:
    server_core(std::shared_ptr<connection_handler> handler, server_options const& options)
        : handler_(std::move(handler)), limit_(options.limit), backlog_(options.backlog),
          tls_(options.ssl == nullptr ? nullptr : options.ssl->shared()) {}

    void listen(int descriptor) {
        boost::asio::posix::stream_descriptor listener(io::context(), descriptor);
        if (::listen(descriptor, backlog_) != 0)
            throw_errno(errno, "aya::io::start_server: listen");
        address const at = address_of(descriptor, false);
        {
            std::lock_guard const guard(mutex_);
            sockets_.push_back(at);
            listening_.push_back(descriptor);
        }
        auto accepting = create_task(accept_on(acceptor(shared_from_this(), std::move(listener))), {.name = "aya::io::server"});
        std::lock_guard const guard(mutex_);
        acceptors_.push_back(std::move(accepting));
    }

    std::vector<address> sockets() const {
        std::lock_guard const guard(mutex_);
        return sockets_;
    }
    bool is_serving() const {
        std::lock_guard const guard(mutex_);
        return !closed_;
    }
    std::size_t connections() const {
        std::lock_guard const guard(mutex_);
        return connections_.size();
    }

    void close() {
        std::vector<task_handle<void>> acceptors;
        {
            std::lock_guard const guard(mutex_);
            closed_ = true;
            for (int const d : listening_)
                (void)::shutdown(d, SHUT_RDWR); // nobody is let in from now on
            acceptors.swap(acceptors_);
            note_end();
        }
        for (auto const& a : acceptors)
            a.cancel();
    }

    void end_clients(bool at_once) {
        std::vector<std::shared_ptr<connection>> all;
        {
            std::lock_guard const guard(mutex_);
            all.assign(connections_.begin(), connections_.end());
        }
        for (auto const& c : all)
            at_once ? c->abort() : c->close();
    }

    static task<> wait_closed(std::shared_ptr<server_core> self) { co_await self->ended_.wait(); }

    static task<> serve_forever(std::shared_ptr<server_core> self) {
        try {
            aya::event never;
            co_await never.wait();
        } catch (...) {
            self->close();
            throw;
        }
    }

private:
    using place = std::list<std::shared_ptr<connection>>::iterator;

    // Parameters of the coroutines: they go with the frame, also of a task that is cancelled before its first step.
    class acceptor {
    public:
        acceptor(std::shared_ptr<server_core> c, boost::asio::posix::stream_descriptor l) noexcept
            : core(std::move(c)), listener(std::move(l)) {}
        acceptor(acceptor&&) = default;
        acceptor& operator=(acceptor&&) = delete;
        ~acceptor() {
            if (core != nullptr)
                core->stop_accepting(listener.native_handle());
        }
        std::shared_ptr<server_core> core;
        boost::asio::posix::stream_descriptor listener;
    };
    class served {
    public:
        served(std::shared_ptr<server_core> s, place p) noexcept : core(std::move(s)), where(p) {}
        served(served&&) = default;
        served& operator=(served&&) = delete;
        ~served() {
            if (core != nullptr)
                core->leave(where);
        }
        std::shared_ptr<server_core> core;
        place where;
    };

    static task<> accept_on(acceptor self) {
        auto& listener = self.listener;
        listener.non_blocking(true);
        auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(shortest_pause);
        for (;;) {
            co_await listener.async_wait(boost::asio::posix::descriptor_base::wait_read, await);
            int error = 0;
            for (int i = 0; i < accepted_at_once && error == 0; ++i)
                error = self.core->accept_one(listener.native_handle());
            if (out_of_resources(error)) {
                co_await sleep(pause);
                pause = std::min<std::chrono::milliseconds>(2 * pause, longest_pause);
            } else {
                pause = shortest_pause;
                co_await yield();
            }
        }
    }

    // 0 or an error number.
    int accept_one(int listener) {
        int const descriptor = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor < 0) {
            // Of a connection that is gone already: look for the next one.
            bool const of_connection = errno == ECONNABORTED || errno == EINTR || errno == EPROTO || errno == EPERM;
            return of_connection ? 0 : errno;
        }
        try {
            auto c = new_connection(descriptor, connection::kind::socket, limit_);
            send_at_once(descriptor);
            served self(shared_from_this(), enter(c));
            create_task(serve(std::move(self), std::move(c)));
        } catch (...) {
            report(std::current_exception()); // this connection's end, not the server's
        }
        return 0;
    }

    static task<> serve(served self, std::shared_ptr<connection> c) {
        try {
            if (self.core->tls_ != nullptr)
                co_await c->handshake(self.core->tls_, true, std::string());
            co_await self.core->handler_->serve(stream_reader(c), stream_writer(c));
        } catch (std::exception const& e) {
            c->abort();
            // A peer that leaves is nothing to report: there may be thousands of them.
            auto const* const lost = dynamic_cast<std::system_error const*>(&e);
            if (lost == nullptr || (lost->code() != std::errc::connection_reset && lost->code() != std::errc::broken_pipe))
                report(std::current_exception());
        }
    }

    static void report(std::exception_ptr error) {
        aya::detail::this_scheduler("aya::io::server").owner().reports()->report(
            {"Exception in the handler of a connection", aya::current_task().name(), error, {}});
    }

    place enter(std::shared_ptr<connection> c) {
        std::lock_guard const guard(mutex_);
        return connections_.insert(connections_.end(), std::move(c));
    }
    void leave(place at) {
        std::shared_ptr<connection> last; // goes outside the lock
        std::lock_guard const guard(mutex_);
        last = std::move(*at);
        connections_.erase(at);
        note_end();
    }
    // The descriptor is open still.
    void stop_accepting(int descriptor) {
        std::lock_guard const guard(mutex_);
        std::erase(listening_, descriptor);
        closed_ = true;
        note_end();
    }
    // With the mutex held.
    void note_end() {
        if (closed_ && listening_.empty() && connections_.empty())
            ended_.set();
    }

    std::shared_ptr<connection_handler> const handler_;
    std::size_t const limit_;
    int const backlog_;
    std::shared_ptr<ssl_context::state> const tls_;
    mutable std::mutex mutex_;
    std::vector<address> sockets_;
    std::vector<task_handle<void>> acceptors_;
    std::list<std::shared_ptr<connection>> connections_;
    std::vector<int> listening_; // open descriptors
    bool closed_ = false;
    aya::event ended_;
};

namespace {

int bound_socket(address const& at, server_options const& options) {
    int const descriptor = ::socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        throw_errno(errno, "aya::io::start_server: a socket");
    int const on = 1;
    if (at.family() != AF_UNIX && options.reuse_address)
        (void)::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (options.reuse_port)
        (void)::setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (at.family() == AF_INET6) // IPv4 has a socket of its own
        (void)::setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(descriptor, at.data(), at.size()) == 0)
        return descriptor;
    int const error = errno;
    ::close(descriptor);
    throw std::system_error(error, std::generic_category(), "aya::io::start_server: " + at.text());
}

// A socket's file that a server left behind.
void remove_stale(std::string const& path, address const& at) {
    struct stat about{};
    if (::stat(path.c_str(), &about) != 0 || !S_ISSOCK(about.st_mode))
        return;
    int const probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return;
    bool const stale = ::connect(probe, at.data(), at.size()) != 0 && errno == ECONNREFUSED;
    ::close(probe);
    if (stale)
        ::unlink(path.c_str());
}

} // namespace

task<server> start(std::shared_ptr<connection_handler> handler, std::string host, unsigned short port, server_options options) {
    auto const core = std::make_shared<server_core>(std::move(handler), options);
    auto const addresses = co_await io::getaddrinfo(host, std::to_string(port), AF_UNSPEC, true);
    try {
        for (address const& a : addresses)
            core->listen(bound_socket(a, options));
    } catch (...) {
        core->close();
        throw;
    }
    co_return server(core);
}

task<server> start_unix(std::shared_ptr<connection_handler> handler, std::string path, server_options options) {
    auto const core = std::make_shared<server_core>(std::move(handler), options);
    address const at = unix_address(path);
    remove_stale(path, at);
    core->listen(bound_socket(at, options));
    co_return server(core);
}

} // namespace aya::inline v1::io::detail

namespace aya::inline v1::io {

std::vector<std::string> server::sockets() const {
    std::vector<std::string> names;
    for (address const& a : core_->sockets())
        names.push_back(a.text());
    return names;
}
unsigned short server::port() const { return core_->sockets().front().port(); }
bool server::is_serving() const noexcept { return core_->is_serving(); }
std::size_t server::connections() const noexcept { return core_->connections(); }
void server::close() { core_->close(); }
void server::close_clients() { core_->end_clients(false); }
void server::abort_clients() { core_->end_clients(true); }
task<> server::wait_closed() { return detail::server_core::wait_closed(core_); }
task<> server::serve_forever() { return detail::server_core::serve_forever(core_); }

} // namespace aya::inline v1::io
