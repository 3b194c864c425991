// SPDX-License-Identifier: Apache-2.0
// A hundred requests at once, each of which the server answers after a second: about one second in all.
//
//   fetch_100 URL [COUNT]        e.g. fetch_100 https://httpbin.org/delay/1
#include <aya/aya.hpp>
#include <aya/http.hpp>

#include <fmt/core.h>

#include <string>
#include <vector>

namespace http = aya::http;

aya::task<> fetch_all(std::string url, int count) {
    http::client client({.timeout = std::chrono::seconds(30)});
    std::vector<aya::task<http::response>> requests;
    for (int i = 0; i < count; ++i)
        requests.push_back(client.get(url));

    aya::time_point const start = aya::now();
    std::vector<http::response> const responses = co_await aya::gather(std::move(requests));
    double const seconds = std::chrono::duration<double>(aya::now() - start).count();

    double one_by_one = 0;
    for (http::response const& r : responses) {
        r.raise_for_status();
        one_by_one += std::chrono::duration<double>(r.elapsed()).count();
    }
    fmt::print("{} requests: {:.2f} s (one after the other: {:.0f} s)\n", responses.size(), seconds, one_by_one);
}

int main(int argc, char** argv) {
    if (argc < 2) {
        fmt::print(stderr, "usage: fetch_100 URL [COUNT]\n");
        return 2;
    }
    aya::run(fetch_all(argv[1], argc > 2 ? std::stoi(argv[2]) : 100));
}
