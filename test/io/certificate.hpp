// SPDX-License-Identifier: Apache-2.0
// A certificate for the tests of TLS, and contexts with it.
#pragma once

#include <aya/io/tls.hpp>

#include "io/streams.hpp"

#include <cstdlib>
#include <string>

namespace test {

/// A key and a certificate for "localhost" that it has signed itself.
struct certificate {
    certificate() {
        std::string const command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
                                    " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout " +
                                    key + " -out " + file + " 2>/dev/null";
        good = std::system(command.c_str()) == 0;
    }
    temporary_folder folder;
    std::string const file = folder.file("certificate.pem");
    std::string const key = folder.file("key.pem");
    bool good = false;
};

inline certificate const& localhost() {
    static certificate const c;
    return c;
}

inline aya::io::ssl_context server_context() {
    auto context = aya::io::ssl_context::server();
    context.load_cert_chain(localhost().file, localhost().key);
    return context;
}

inline aya::io::ssl_context trusting_context() {
    auto context = aya::io::ssl_context::client();
    context.load_verify_locations(localhost().file);
    return context;
}

} // namespace test
