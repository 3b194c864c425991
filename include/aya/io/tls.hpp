// SPDX-License-Identifier: Apache-2.0
// What TLS connections are made with. This header includes no OpenSSL.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace aya::inline v1::io {

/// Certificates, keys and rules; copies refer to the same. TLS 1.2 or later. A client's context verifies the peer's certificate, with the system's
/// authorities, and its name, unless told otherwise. Set it up before connections use it. Throws ssl_error. Mirrors ssl.SSLContext.
class ssl_context {
public:
    /// Mirrors ssl.create_default_context().
    [[nodiscard]] static ssl_context client();
    /// For a server; needs load_cert_chain().
    [[nodiscard]] static ssl_context server();

    /// PEM files; the key is in the certificate's file when none is named.
    void load_cert_chain(std::string const& certificates, std::string const& key = {});
    /// One more file of authorities, PEM.
    void load_verify_locations(std::string const& file);
    /// Whether the peer has to have a certificate that is trusted; a server that asks for it gets the client's.
    void verify(bool required);
    /// Whether the certificate has to be the host's; on for clients.
    void check_hostname(bool on) noexcept;
    void set_alpn_protocols(std::vector<std::string> const& names);

    struct state;
    [[nodiscard]] std::shared_ptr<state> const& shared() const noexcept { return state_; }

private:
    explicit ssl_context(bool server);
    std::shared_ptr<state> state_;
};

} // namespace aya::inline v1::io
