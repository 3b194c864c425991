// SPDX-License-Identifier: Apache-2.0
#include "io/tls_engine.hpp"

#include <aya/io/errors.hpp>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>

namespace aya::inline v1::io {

namespace detail {

std::string ssl_failure(char const* what) {
    std::string text = what;
    if (unsigned long const error = ::ERR_get_error(); error != 0) {
        char reason[256];
        ::ERR_error_string_n(error, reason, sizeof reason);
        text += ": ";
        text += reason;
    }
    ::ERR_clear_error();
    return text;
}

namespace {

int chunk(std::size_t n) noexcept { return static_cast<int>(std::min<std::size_t>(n, INT_MAX)); }

void require(bool good, char const* what) {
    if (!good)
        throw ssl_error(ssl_failure(what));
}

bool is_address(std::string const& name) noexcept {
    ASN1_OCTET_STRING* const parsed = ::a2i_IPADDRESS(name.c_str());
    ::ASN1_OCTET_STRING_free(parsed);
    return parsed != nullptr;
}

} // namespace

tls_engine::tls_engine(ssl_context::state& context, bool server, std::string const& name)
    : ssl_(::SSL_new(context.context.get()), &::SSL_free) {
    require(ssl_ != nullptr, "aya::io: TLS");
    in_ = ::BIO_new(::BIO_s_mem());
    out_ = ::BIO_new(::BIO_s_mem());
    if (in_ == nullptr || out_ == nullptr) {
        ::BIO_free(in_);
        ::BIO_free(out_);
        require(false, "aya::io: TLS");
    }
    ::SSL_set_bio(ssl_.get(), in_, out_);
    if (server) {
        ::SSL_set_accept_state(ssl_.get());
        return;
    }
    ::SSL_set_connect_state(ssl_.get());
    if (context.check_hostname && (::SSL_CTX_get_verify_mode(context.context.get()) & SSL_VERIFY_PEER) != 0 && name.empty())
        throw ssl_error("aya::io: TLS: server_hostname is empty, and the context checks it");
    if (name.empty())
        return;
    if (is_address(name)) {
        if (context.check_hostname)
            require(::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl_.get()), name.c_str()) == 1, "aya::io: TLS: server_hostname");
        return;
    }
    require(::SSL_set_tlsext_host_name(ssl_.get(), name.c_str()) == 1, "aya::io: TLS: server_hostname");
    ::SSL_set_hostflags(ssl_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (context.check_hostname)
        require(::SSL_set1_host(ssl_.get(), name.c_str()) == 1, "aya::io: TLS: server_hostname");
}

bool tls_engine::handshake() {
    ::ERR_clear_error();
    int const done = ::SSL_do_handshake(ssl_.get());
    if (done == 1)
        return true;
    int const error = ::SSL_get_error(ssl_.get(), done);
    if (error == SSL_ERROR_WANT_READ && !peer_gone_)
        return false;
    if (error == SSL_ERROR_WANT_READ)
        throw std::system_error(ECONNRESET, std::generic_category(), "aya::io: TLS handshake: the peer has closed the connection");
    if (long const verified = ::SSL_get_verify_result(ssl_.get()); verified != X509_V_OK) {
        ::ERR_clear_error();
        throw ssl_cert_verification_error(std::string("aya::io: TLS handshake: certificate verify failed: ") +
                                          ::X509_verify_cert_error_string(verified));
    }
    throw ssl_error(ssl_failure("aya::io: TLS handshake"));
}

void tls_engine::received(std::string_view ciphertext) {
    while (!ciphertext.empty()) {
        int const n = ::BIO_write(in_, ciphertext.data(), chunk(ciphertext.size()));
        require(n > 0, "aya::io: TLS");
        ciphertext.remove_prefix(static_cast<std::size_t>(n));
    }
}

std::string tls_engine::to_send() {
    char* bytes = nullptr;
    long const n = ::BIO_get_mem_data(out_, &bytes);
    std::string all(bytes, n > 0 ? static_cast<std::size_t>(n) : 0);
    (void)BIO_reset(out_); // a macro
    return all;
}

tls_engine::result tls_engine::decrypt(std::span<char> room) {
    ::ERR_clear_error();
    int const n = ::SSL_read(ssl_.get(), room.data(), chunk(room.size()));
    if (n > 0)
        return {state::data, static_cast<std::size_t>(n)};
    switch (::SSL_get_error(ssl_.get(), n)) {
    case SSL_ERROR_WANT_READ:
        // A peer that leaves without a goodbye has left all the same.
        return {peer_gone_ ? state::ended : state::wants_more, 0};
    case SSL_ERROR_ZERO_RETURN:
        return {state::ended, 0};
    default:
        throw ssl_error(ssl_failure("aya::io: TLS"));
    }
}

void tls_engine::encrypt(std::string_view plain) {
    while (!plain.empty()) {
        ::ERR_clear_error();
        int const n = ::SSL_write(ssl_.get(), plain.data(), chunk(plain.size()));
        require(n > 0, "aya::io: TLS"); // memory takes everything, and renegotiation is not asked for
        plain.remove_prefix(static_cast<std::size_t>(n));
    }
}

void tls_engine::say_goodbye() noexcept {
    ::ERR_clear_error();
    (void)::SSL_shutdown(ssl_.get());
    ::ERR_clear_error();
}

std::string tls_engine::alpn() const {
    unsigned char const* name = nullptr;
    unsigned size = 0;
    ::SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return size == 0 ? std::string() : std::string(reinterpret_cast<char const*>(name), size);
}

} // namespace detail

// --- the context ----------------------------------------------------------------------------------------------------------------------

using detail::require;

ssl_context::state::state(bool is_server)
    : context(::SSL_CTX_new(is_server ? ::TLS_server_method() : ::TLS_client_method()), &::SSL_CTX_free), server(is_server),
      check_hostname(!is_server) {
    require(context != nullptr, "aya::io::ssl_context");
    require(::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) == 1, "aya::io::ssl_context");
    ::SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS); // an idle connection keeps no buffers
    ::SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION); // refused with a warning; writing knows none
    if (is_server) {
        // Without it, who comes back with a session is refused where clients are verified.
        constexpr unsigned char name[] = {'a', 'y', 'a'};
        require(::SSL_CTX_set_session_id_context(context.get(), name, sizeof name) == 1, "aya::io::ssl_context");
        return;
    }
    require(::SSL_CTX_set_default_verify_paths(context.get()) == 1, "aya::io::ssl_context");
    ::SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
}

ssl_context::ssl_context(bool server) : state_(std::make_shared<state>(server)) {}

ssl_context ssl_context::client() { return ssl_context(false); }
ssl_context ssl_context::server() { return ssl_context(true); }

void ssl_context::load_cert_chain(std::string const& certificates, std::string const& key) {
    SSL_CTX* const c = state_->context.get();
    require(::SSL_CTX_use_certificate_chain_file(c, certificates.c_str()) == 1, "aya::io::ssl_context::load_cert_chain: certificates");
    require(::SSL_CTX_use_PrivateKey_file(c, (key.empty() ? certificates : key).c_str(), SSL_FILETYPE_PEM) == 1,
            "aya::io::ssl_context::load_cert_chain: key");
    require(::SSL_CTX_check_private_key(c) == 1, "aya::io::ssl_context::load_cert_chain: the key is not the certificate's");
}

void ssl_context::load_verify_locations(std::string const& file) {
    require(::SSL_CTX_load_verify_locations(state_->context.get(), file.c_str(), nullptr) == 1, "aya::io::ssl_context::load_verify_locations");
}

void ssl_context::verify(bool required) {
    int const mode = !required ? SSL_VERIFY_NONE : state_->server ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_PEER;
    ::SSL_CTX_set_verify(state_->context.get(), mode, nullptr);
}

void ssl_context::check_hostname(bool on) noexcept { state_->check_hostname = on; }

namespace {

int choose_protocol(SSL*, unsigned char const** out, unsigned char* size, unsigned char const* offered, unsigned offered_size, void* of) {
    auto const& mine = static_cast<ssl_context::state*>(of)->alpn;
    unsigned char* chosen = nullptr;
    int const found = ::SSL_select_next_proto(&chosen, size, reinterpret_cast<unsigned char const*>(mine.data()),
                                              static_cast<unsigned>(mine.size()), offered, offered_size);
    *out = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

} // namespace

void ssl_context::set_alpn_protocols(std::vector<std::string> const& names) {
    std::string wire;
    for (std::string const& name : names) {
        if (name.empty() || name.size() > 255)
            throw std::invalid_argument("aya::io::ssl_context::set_alpn_protocols: a name has 1 to 255 bytes");
        wire += static_cast<char>(name.size());
        wire += name;
    }
    state_->alpn = std::move(wire);
    if (state_->server)
        ::SSL_CTX_set_alpn_select_cb(state_->context.get(), &choose_protocol, state_.get());
    else
        require(::SSL_CTX_set_alpn_protos(state_->context.get(), reinterpret_cast<unsigned char const*>(state_->alpn.data()),
                                          static_cast<unsigned>(state_->alpn.size())) == 0,
                "aya::io::ssl_context::set_alpn_protocols");
}

} // namespace aya::inline v1::io
