// SPDX-License-Identifier: Apache-2.0
// What curl's results mean.
#include <aya/http/errors.hpp>

#include "http/exchange.hpp"
#include "http/transfer.hpp"

#include <new>
#include <string>

namespace aya::inline v1::http::detail {

namespace {

std::string describe(transfer const& t) {
    std::string const request = "aya::http: " + t.head.method + " " + t.head.url + ": ";
    if (!t.refusal.empty())
        return request + t.refusal;
    switch (t.exceeded) {
    case time_limit::connect:
        return request + "no connection in time";
    case time_limit::read:
        return request + "the server sent nothing for too long";
    case time_limit::pool:
        return request + "the connections to this host were taken for too long";
    case time_limit::total:
        return request + "the time for the whole request is over";
    case time_limit::none:
        break;
    }
    return request + (t.message[0] != '\0' ? t.message.data() : ::curl_easy_strerror(t.result));
}

} // namespace

void throw_failure_of(transfer const& t) {
    if (t.result == CURLE_OUT_OF_MEMORY)
        throw std::bad_alloc();
    std::string const what = describe(t);
    std::string const& url = t.head.url;
    if (!t.refusal.empty())
        throw protocol_error(what, url);
    switch (t.exceeded) {
    case time_limit::connect:
        throw connect_timeout(what, url);
    case time_limit::read:
        throw read_timeout(what, url);
    case time_limit::pool:
        throw pool_timeout(what, url);
    case time_limit::total:
        throw total_timeout(what, url);
    case time_limit::none:
        break;
    }
    switch (t.result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED:
        throw connect_error(what, url);
    case CURLE_OPERATION_TIMEDOUT: // the system's own limit
        throw connect_timeout(what, url);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
        throw tls_error(what, url);
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        throw proxy_error(what, url);
    case CURLE_SEND_ERROR:
        throw write_error(what, url);
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
        throw read_error(what, url);
    case CURLE_UNSUPPORTED_PROTOCOL: // the URL was checked: what came is no HTTP
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_WRITE_ERROR:
        throw protocol_error(what, url);
    case CURLE_URL_MALFORMAT:
        throw invalid_url(what, url);
    default:
        throw transport_error(what, url);
    }
}

} // namespace aya::inline v1::http::detail
