// SPDX-License-Identifier: Apache-2.0
// What the tests of streams share.
#pragma once

#include <aya/io/server.hpp>
#include <aya/io/stream.hpp>

#include "support/harness.hpp"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <unistd.h>

namespace test {

/// A folder that goes at the end.
class scratch_folder {
public:
    scratch_folder() {
        std::string name = (std::filesystem::temp_directory_path() / "aya-io-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~scratch_folder() {
        std::error_code none;
        std::filesystem::remove_all(path_, none);
    }
    scratch_folder(scratch_folder const&) = delete;
    scratch_folder& operator=(scratch_folder const&) = delete;
    [[nodiscard]] std::string operator/(std::string_view name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

inline std::size_t open_descriptors() {
    std::size_t n = 0;
    for (auto const& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        (void)entry;
        ++n;
    }
    return n;
}

/// Sends everything back.
inline aya::task<> echo(aya::io::stream_reader reader, aya::io::stream_writer writer) {
    for (;;) {
        std::string const data = co_await reader.read(64 * 1024);
        if (data.empty())
            break;
        writer.write(data);
        co_await writer.drain();
    }
    writer.close();
    co_await writer.wait_closed();
}

inline aya::task<aya::io::server> echo_server() { return aya::io::start_server(echo, "127.0.0.1", 0); }

/// A server that does `f` for its one client, and the client's ends.
template <class F>
aya::task<aya::io::stream_pair> connected_to(F f, aya::io::open_options options = {}) {
    auto const begun = std::make_shared<aya::event>();
    auto serve = [f, begun](aya::io::stream_reader r, aya::io::stream_writer w) {
        begun->set();
        return f(std::move(r), std::move(w));
    };
    auto s = co_await aya::io::start_server(serve, "127.0.0.1", 0);
    auto ends = co_await aya::io::open_connection("127.0.0.1", s.port(), options);
    co_await begun->wait();
    s.close();
    co_return ends;
}

} // namespace test
