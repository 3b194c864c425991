// SPDX-License-Identifier: Apache-2.0
// TLS between two buffers: OpenSSL on memory, so that it waits for nothing. One thread at a time.
#pragma once

#include <aya/io/tls.hpp>

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace aya::inline v1::io {

struct ssl_context::state {
    explicit state(bool server);
    std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context;
    bool const server;
    bool check_hostname;
    std::string alpn; // as on the wire
};

namespace detail {

/// What OpenSSL has to say about the last failure.
[[nodiscard]] std::string ssl_failure(char const* what);

class tls_engine {
public:
    /// Throws ssl_error.
    tls_engine(ssl_context::state& context, bool server, std::string const& name);

    /// True when the handshake is done; else it needs what the peer sends. Throws ssl_error, and std::system_error with connection_reset.
    [[nodiscard]] bool handshake();

    void received(std::string_view ciphertext);
    void received_end() noexcept { peer_gone_ = true; }
    /// Bytes for the peer. Moves them out.
    [[nodiscard]] std::string to_send();

    enum class state { data, wants_more, ended };
    struct result {
        state is;
        std::size_t bytes;
    };
    /// Throws ssl_error.
    [[nodiscard]] result decrypt(std::span<char> room);
    void encrypt(std::string_view plain);
    void say_goodbye() noexcept;
    [[nodiscard]] std::string alpn() const;

private:
    std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
    BIO* in_ = nullptr;  // the SSL object's
    BIO* out_ = nullptr; // the same
    bool peer_gone_ = false;
};

} // namespace detail

} // namespace aya::inline v1::io
