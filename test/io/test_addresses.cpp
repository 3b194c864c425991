// SPDX-License-Identifier: Apache-2.0
// Servers on names with several addresses. Only a resolver of the test's own has such names everywhere.
#include "io/streams.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include <dlfcn.h>
#include <netdb.h>
#include <sys/socket.h>

namespace io = aya::io;

namespace {

using resolver = int (*)(char const*, char const*, addrinfo const*, addrinfo**);

resolver system_resolver() {
    static auto const found = reinterpret_cast<resolver>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    return found;
}

// 192.0.2.1 is nobody's: it is for documentation.
struct {
    char const* name;
    char const* addresses[4];
} const names[] = {
    {"twice-and-elsewhere.test", {"127.0.0.1", "192.0.2.1", "127.0.0.1", nullptr}},
    {"elsewhere.test", {"192.0.2.1", nullptr}},
};

aya::task<> nothing(io::stream_reader, io::stream_writer) { co_return; }

} // namespace

extern "C" int getaddrinfo(char const* host, char const* service, addrinfo const* hints, addrinfo** found) {
    auto const is_asked = [host](auto const& n) { return host != nullptr && std::strcmp(n.name, host) == 0; };
    auto const* const known = std::find_if(std::begin(names), std::end(names), is_asked);
    if (known == std::end(names))
        return system_resolver()(host, service, hints, found);
    for (char const* const* address = known->addresses; *address != nullptr; ++address) { // the system frees a list node by node
        if (int const error = system_resolver()(*address, service, hints, found); error != 0)
            return error;
        while (*found != nullptr)
            found = &(*found)->ai_next;
    }
    return 0;
}

TEST_CASE("addresses: a server takes those of a name's addresses that the host has, each once") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await io::start_server(test::echo, "twice-and-elsewhere.test", 0);
        CHECK(server.sockets() == std::vector<std::string>{"127.0.0.1:" + std::to_string(server.port())});
        co_await test::ask(server.port());
        server.close();
        co_await server.wait_closed();
    });
}

TEST_CASE("addresses: a name whose addresses are all other hosts' is an error") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        CHECK(co_await test::code_of(io::start_server(nothing, "elsewhere.test", 0)) == std::errc::address_not_available);
    });
}

TEST_CASE("addresses: an address that another server has is an error, whatever else there is") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await io::start_server(nothing, "127.0.0.1", 0);
        CHECK(co_await test::code_of(io::start_server(nothing, "twice-and-elsewhere.test", server.port())) == std::errc::address_in_use);
        server.close();
        co_await server.wait_closed();
    });
}
