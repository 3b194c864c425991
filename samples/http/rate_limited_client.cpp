// SPDX-License-Identifier: Apache-2.0
// A client that never has more than so many requests under way: 50 URLs, 5 at once.
//
//   rate_limited_client URL      e.g. rate_limited_client https://httpbin.org/get
#include <aya/aya.hpp>
#include <aya/http.hpp>

#include <fmt/core.h>

#include <string>
#include <vector>

namespace http = aya::http;

struct fetched {
    std::string url;
    int status;
};

class rate_limited_client {
public:
    explicit rate_limited_client(int max_concurrent) : semaphore_(max_concurrent), client_({.timeout = std::chrono::seconds(30)}) {}

    aya::task<fetched> fetch(std::string url) {
        auto const permit = co_await semaphore_.acquire();
        http::response const response = co_await client_.get(url);
        co_return fetched{url, response.status_code()};
    }

    aya::task<std::vector<fetched>> fetch_all(std::vector<std::string> urls) {
        std::vector<aya::task<fetched>> tasks;
        for (std::string& url : urls)
            tasks.push_back(fetch(std::move(url)));
        co_return co_await aya::gather(std::move(tasks));
    }

private:
    aya::semaphore semaphore_;
    http::client client_;
};

aya::task<> fetch_fifty(std::string base) {
    rate_limited_client client(5);
    std::vector<std::string> urls;
    for (int i = 0; i < 50; ++i)
        urls.push_back(fmt::format("{}?id={}", base, i));
    std::vector<fetched> const results = co_await client.fetch_all(std::move(urls));
    int good = 0;
    for (fetched const& f : results)
        good += f.status == 200;
    fmt::print("fetched: {}, of which {} with status 200\n", results.size(), good);
}

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print(stderr, "usage: rate_limited_client URL\n");
        return 2;
    }
    aya::run(fetch_fifty(argv[1]));
}
