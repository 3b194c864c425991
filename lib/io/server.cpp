// SPDX-License-Identifier: Apache-2.0
#include <aya/io/server.hpp>

#include "executors/report_sink.hpp"
#include "executors/runtime_core.hpp"
#include "io/address.hpp"
#include "io/client_list.hpp"
#include "io/connection.hpp"
#include "io/driver.hpp"

#include <aya/sleep.hpp>
#include <aya/task_handle.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <new>
#include <stdexcept>
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

// Of a handler whose connection is lost: there may be thousands of them.
bool is_of_peer(std::exception const& e) noexcept {
    auto const* const failed = dynamic_cast<std::system_error const*>(&e);
    return failed != nullptr && (failed->code() == std::errc::connection_reset || failed->code() == std::errc::broken_pipe ||
                                 failed->code() == std::errc::connection_aborted);
}

} // namespace

class server_core : public std::enable_shared_from_this<server_core> {
public:
    server_core(std::shared_ptr<connection_handler> handler, server_options const& options)
        : handler_(std::move(handler)), limit_(options.limit), backlog_(options.backlog),
          tls_(options.ssl == nullptr ? nullptr : options.ssl->shared()), handshake_timeout_(options.ssl_handshake_timeout) {}

    void listen(unique_descriptor descriptor) {
        int const number = descriptor.get();
        if (::listen(number, backlog_) != 0)
            throw_errno(errno, "aya::io::start_server: listen");
        boost::asio::posix::stream_descriptor listener(io::context());
        hand_over(std::move(descriptor), listener);
        address const at = address_of(number, false);
        acceptor self(shared_from_this(), std::move(listener));
        {
            std::lock_guard const guard(mutex_);
            sockets_.push_back(at);
            listening_.push_back(number);
        }
        auto accepting = create_task(accept_on(std::move(self)), {.name = "aya::io::server"});
        std::lock_guard const guard(mutex_);
        acceptors_.push_back(std::move(accepting));
    }

    std::vector<address> sockets() const {
        std::lock_guard const guard(mutex_);
        return sockets_;
    }
    bool is_serving() const noexcept { return !closing_.is_set(); }
    std::size_t connections() const { return clients_->size(); }

    void close() {
        std::vector<task_handle<void>> acceptors;
        {
            std::lock_guard const guard(mutex_);
            for (int const d : listening_)
                (void)::shutdown(d, SHUT_RDWR); // nobody is let in from now on
            acceptors.swap(acceptors_);
        }
        closing_.set();
        clients_->close();
        for (auto const& a : acceptors)
            a.cancel();
    }

    void end_clients(bool at_once) {
        for (auto const& c : clients_->all())
            at_once ? c->abort() : c->close();
    }

    static task<> wait_closed(std::shared_ptr<server_core> self) {
        auto const clients = self->clients_;
        co_await clients->ended.wait();
    }

    static task<> serve_forever(std::shared_ptr<server_core> self) {
        if (!self->is_serving())
            aya::detail::throw_invalid_state("aya::io::server::serve_forever: the server is closed");
        try {
            co_await self->closing_.wait();
        } catch (...) {
            self->close();
            throw;
        }
        throw cancelled_error("the server is closed");
    }

private:
    // Parameters of the coroutines: they go with the frame, also of a task that is cancelled before its first step.
    class acceptor {
    public:
        acceptor(std::shared_ptr<server_core> c, boost::asio::posix::stream_descriptor l)
            : core(std::move(c)), present(core->clients_), listener(std::move(l)) {}
        acceptor(acceptor&&) = default;
        acceptor& operator=(acceptor&&) = delete;
        ~acceptor() {
            if (core != nullptr)
                core->stop_accepting(listener.native_handle());
        }
        std::shared_ptr<server_core> core;
        client_list::presence present; // until the listener is closed
        boost::asio::posix::stream_descriptor listener;
    };
    class served {
    public:
        explicit served(std::shared_ptr<server_core> s) : core(std::move(s)), present(core->clients_) {}
        std::shared_ptr<server_core> core;
        client_list::presence present;
    };

    // A lack of memory may keep it from its waits as well: that is over sooner or later.
    static task<> accept_on(acceptor self) {
        auto& listener = self.listener;
        auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(shortest_pause);
        for (;;) {
            int error = 0;
            try {
                co_await listener.async_wait(boost::asio::posix::descriptor_base::wait_read, await);
            } catch (std::bad_alloc const&) {
                error = ENOMEM;
            }
            for (int i = 0; i < accepted_at_once && error == 0; ++i)
                error = self.core->accept_one(listener.native_handle());
            if (out_of_resources(error)) {
                try {
                    co_await sleep(pause);
                } catch (std::bad_alloc const&) {
                    error = 0; // at once, after a turn of the others
                }
                pause = std::min<std::chrono::milliseconds>(2 * pause, longest_pause);
            } else {
                pause = shortest_pause;
            }
            if (!out_of_resources(error))
                co_await yield();
        }
    }

    // 0 or an error number.
    int accept_one(int listener) noexcept {
        unique_descriptor descriptor(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!descriptor) {
            // Of a connection that is gone already: look for the next one.
            bool const of_connection = errno == ECONNABORTED || errno == EINTR || errno == EPROTO || errno == EPERM;
            return of_connection ? 0 : errno;
        }
        // What fails from here on is this connection's end, not the server's.
        try {
            send_at_once(descriptor.get());
            auto c = new_connection(std::move(descriptor), connection::kind::socket, limit_);
            served self(shared_from_this());
            clients_->enter(c);
            create_task(serve(std::move(self), std::move(c)));
        } catch (std::bad_alloc const&) {
            return ENOMEM;
        } catch (...) {
            report(std::current_exception());
        }
        return 0;
    }

    static task<> serve(served self, std::shared_ptr<connection> c) {
        try {
            if (self.core->tls_ != nullptr)
                co_await connection::start_tls(c, self.core->tls_, true, std::string(), self.core->handshake_timeout_);
            co_await self.core->handler_->serve(stream_reader(c), stream_writer(c));
        } catch (std::exception const& e) {
            bool const peer_left = c->is_lost() && is_of_peer(e);
            c->abort();
            if (!peer_left)
                report(std::current_exception());
        }
    }

    static void report(std::exception_ptr error) noexcept {
        try {
            aya::detail::this_scheduler("aya::io::server").owner().reports()->report(
                {"Exception in the handler of a connection", aya::current_task().name(), error, {}});
        } catch (std::bad_alloc const&) {
            // No memory to tell with.
        }
    }

    // The descriptor is open still.
    void stop_accepting(int descriptor) {
        {
            std::lock_guard const guard(mutex_);
            std::erase(listening_, descriptor);
        }
        closing_.set();
        clients_->close();
    }

    std::shared_ptr<connection_handler> const handler_;
    std::size_t const limit_;
    int const backlog_;
    std::shared_ptr<ssl_context::state> const tls_;
    duration const handshake_timeout_;
    std::shared_ptr<client_list> const clients_ = std::make_shared<client_list>();
    aya::event closing_;
    mutable std::mutex mutex_;
    std::vector<address> sockets_;
    std::vector<task_handle<void>> acceptors_;
    std::vector<int> listening_; // open descriptors
};

namespace {

unique_descriptor bound_socket(address const& at, server_options const& options) {
    unique_descriptor socket(::socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket)
        throw_errno(errno, "aya::io::start_server: a socket");
    int const on = 1;
    if (at.family() != AF_UNIX && options.reuse_address)
        (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (options.reuse_port)
        (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (at.family() == AF_INET6) // IPv4 has a socket of its own
        (void)::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(socket.get(), at.data(), at.size()) == 0)
        return socket;
    int const error = errno;
    throw std::system_error(error, std::generic_category(), "aya::io::start_server: " + at.text());
}

// A host without IPv6 has a name's IPv6 address all the same.
bool is_not_here(std::system_error const& e) noexcept {
    return e.code() == std::errc::address_family_not_supported || e.code() == std::errc::address_not_available;
}

// Those of a name's addresses that are this host's; one at least.
std::vector<unique_descriptor> bound_sockets(std::vector<address> const& addresses, server_options const& options) {
    std::vector<unique_descriptor> sockets;
    std::vector<std::string> seen; // a name may have one address twice
    std::exception_ptr failure;
    for (address const& a : addresses) {
        if (std::find(seen.begin(), seen.end(), a.text()) != seen.end())
            continue;
        seen.push_back(a.text());
        try {
            sockets.push_back(bound_socket(a, options));
        } catch (std::system_error const& e) {
            if (!is_not_here(e))
                throw;
            failure = std::current_exception();
        }
    }
    if (sockets.empty())
        std::rethrow_exception(failure); // there is one address at least
    return sockets;
}

// A socket's file that a server left behind. A server whose backlog is full is there still.
void remove_stale(std::string const& path, address const& at) {
    struct stat about{};
    if (::stat(path.c_str(), &about) != 0 || !S_ISSOCK(about.st_mode))
        return;
    unique_descriptor const probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (probe && ::connect(probe.get(), at.data(), at.size()) != 0 && errno == ECONNREFUSED)
        ::unlink(path.c_str());
}

void require_valid(server_options const& options) {
    if (options.limit == 0)
        throw std::invalid_argument("aya::io::start_server: limit: it is 0, and has to be at least 1");
    if (options.ssl_handshake_timeout <= duration::zero())
        throw std::invalid_argument("aya::io::start_server: ssl_handshake_timeout: it has to be above 0");
}

// What the options refer to may be gone: the core has what it needs of that.
task<server> start_tcp(std::shared_ptr<server_core> core, std::string host, unsigned short port, server_options options) {
    require_valid(options);
    auto const addresses = co_await io::getaddrinfo(host, std::to_string(port), AF_UNSPEC, true);
    try {
        for (unique_descriptor& s : bound_sockets(addresses, options))
            core->listen(std::move(s));
    } catch (...) {
        core->close();
        throw;
    }
    co_return server(core);
}

task<server> start_on_path(std::shared_ptr<server_core> core, std::string path, server_options options) {
    require_valid(options);
    address const at = unix_address(path);
    remove_stale(path, at);
    core->listen(bound_socket(at, options));
    co_return server(core);
}

} // namespace

task<server> start(std::shared_ptr<connection_handler> handler, std::string host, unsigned short port, server_options options) {
    return start_tcp(std::make_shared<server_core>(std::move(handler), options), std::move(host), port, options);
}

task<server> start_unix(std::shared_ptr<connection_handler> handler, std::string path, server_options options) {
    return start_on_path(std::make_shared<server_core>(std::move(handler), options), std::move(path), options);
}

} // namespace aya::inline v1::io::detail

namespace aya::inline v1::io {

detail::server_core& server::used() const {
    if (core_ == nullptr)
        aya::detail::throw_invalid_state("aya::io::server: it was moved from");
    return *core_;
}

std::vector<std::string> server::sockets() const {
    std::vector<std::string> names;
    for (address const& a : used().sockets())
        names.push_back(a.text());
    return names;
}
unsigned short server::port() const { return used().sockets().front().port(); }
bool server::is_serving() const { return used().is_serving(); }
std::size_t server::connections() const { return used().connections(); }
void server::close() { used().close(); }
void server::close_clients() { used().end_clients(false); }
void server::abort_clients() { used().end_clients(true); }
task<> server::wait_closed() { return detail::server_core::wait_closed(used().shared_from_this()); }
task<> server::serve_forever() { return detail::server_core::serve_forever(used().shared_from_this()); }

} // namespace aya::inline v1::io
