// SPDX-License-Identifier: Apache-2.0
// HTTP requests per second of one client against a server that is there already: ours, and curl's own loop as the floor.
//
//   http_client aya|loop|curl URL REQUESTS CONCURRENCY
//
// aya: two workers; loop: the event loop; curl: curl_multi_poll() in one thread, handles used again. Prints one number.
#include <aya/aya.hpp>
#include <aya/http.hpp>

#include <curl/curl.h>

#include <fmt/core.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using steady = std::chrono::steady_clock;

struct plan {
    std::string url;
    int requests;
    int concurrency;
};

aya::task<> one_after_the_other(aya::http::client& client, std::string url, std::atomic<int>& left) {
    while (left.fetch_sub(1) > 0) {
        aya::http::response const r = co_await client.get(url);
        r.raise_for_status();
    }
}

aya::task<double> with_aya(plan p) {
    aya::http::client client({.limits = {.max_connections = static_cast<std::size_t>(p.concurrency)}, .trust_env = false});
    double seconds = 0;
    for (int n : {p.concurrency * 2, p.requests}) { // the first opens the connections
        std::atomic<int> left{n};
        std::vector<aya::task<>> all;
        auto const start = steady::now();
        for (int i = 0; i < p.concurrency; ++i)
            all.push_back(one_after_the_other(client, p.url, left));
        co_await aya::gather(std::move(all));
        seconds = std::chrono::duration<double>(steady::now() - start).count();
    }
    co_return p.requests / seconds;
}

std::size_t append(char* data, std::size_t size, std::size_t count, void* to) {
    static_cast<std::string*>(to)->append(data, size * count);
    return size * count;
}

double with_curl(plan const& p) {
    CURLM* const multi = ::curl_multi_init();
    ::curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(p.concurrency));
    std::vector<std::string> bodies(static_cast<std::size_t>(p.concurrency));
    std::vector<CURL*> handles;
    for (std::string& body : bodies) {
        CURL* const h = handles.emplace_back(::curl_easy_init());
        ::curl_easy_setopt(h, CURLOPT_URL, p.url.c_str());
        ::curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, &append);
        ::curl_easy_setopt(h, CURLOPT_WRITEDATA, &body);
        ::curl_easy_setopt(h, CURLOPT_PRIVATE, &body);
        ::curl_easy_setopt(h, CURLOPT_PROXY, "");
    }
    double seconds = 0;
    for (int n : {p.concurrency * 2, p.requests}) {
        auto const start = steady::now();
        int begun = 0;
        int done = 0;
        for (CURL* h : handles)
            if (begun < n && ::curl_multi_add_handle(multi, h) == CURLM_OK)
                ++begun;
        while (done < begun) {
            int running = 0;
            ::curl_multi_perform(multi, &running);
            int queued = 0;
            while (CURLMsg* const m = ::curl_multi_info_read(multi, &queued)) {
                CURL* const h = m->easy_handle;
                std::string* body = nullptr;
                ::curl_easy_getinfo(h, CURLINFO_PRIVATE, &body);
                body->clear();
                ::curl_multi_remove_handle(multi, h);
                ++done;
                if (begun < n && ::curl_multi_add_handle(multi, h) == CURLM_OK)
                    ++begun;
            }
            if (done < begun)
                ::curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
        }
        seconds = std::chrono::duration<double>(steady::now() - start).count();
    }
    for (CURL* h : handles)
        ::curl_easy_cleanup(h);
    ::curl_multi_cleanup(multi);
    return p.requests / seconds;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        fmt::print(stderr, "usage: http_client aya|loop|curl URL REQUESTS CONCURRENCY\n");
        return 2;
    }
    std::string_view const subject = argv[1];
    plan const p{argv[2], std::atoi(argv[3]), std::atoi(argv[4])};
    double const rate = subject == "curl"   ? with_curl(p)
                        : subject == "loop" ? aya::run(with_aya(p), {.scheduler = aya::scheduler_kind::event_loop})
                                            : aya::run(with_aya(p), {.workers = 2});
    fmt::print("{:.0f}\n", rate);
}
