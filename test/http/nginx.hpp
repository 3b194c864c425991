// SPDX-License-Identifier: Apache-2.0
// nginx from the distribution, on loopback ports and in a folder of its own.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace test {

class nginx {
public:
    /// Serves "hello\n" for every path, with TLS and HTTP/2.
    nginx();
    nginx(nginx const&) = delete;
    nginx& operator=(nginx const&) = delete;
    ~nginx();

    /// False, with a message, where there is no nginx or no openssl(1).
    [[nodiscard]] bool runs() const noexcept { return process_ > 0; }
    [[nodiscard]] std::string tls_url(std::string_view path) const;
    /// The certificate of the server, which is its own authority.
    [[nodiscard]] std::string certificate() const { return (folder_ / "certificate.pem").string(); }

private:
    std::filesystem::path folder_;
    unsigned short port_ = 0;
    pid_t process_ = 0;
};

} // namespace test
