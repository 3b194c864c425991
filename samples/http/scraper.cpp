// SPDX-License-Identifier: Apache-2.0
// Visits the pages of a site, from link to link: so many at once, with a pause after each for politeness, redirects followed, slow pages given
// up, and a summary at the end.
//
//   scraper URL
#include <aya/aya.hpp>
#include <aya/http.hpp>

#include <fmt/core.h>

#include <cstddef>
#include <exception>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace http = aya::http;
using namespace std::chrono_literals;

struct scrape_result {
    std::string url;
    int status_code = 0;
    std::size_t content_length = 0;
    std::string error;
    std::vector<std::string> links;

    [[nodiscard]] bool success() const { return status_code == 200; }
};

class scraper {
public:
    scraper(int max_concurrent, aya::duration delay)
        : semaphore_(max_concurrent), delay_(delay), client_({.timeout = 1s, .follow_redirects = true}) {}

    /// `start`, and every page of the same site that can be reached from it.
    aya::task<std::vector<scrape_result>> scrape_site(std::string start) {
        std::string const site = start.substr(0, start.find('/', start.find("://") + 3));
        std::set<std::string> seen = {start};
        std::vector<std::string> next = {start};
        std::vector<scrape_result> results;
        while (!next.empty()) {
            std::vector<aya::task<scrape_result>> pages;
            for (std::string const& url : next)
                pages.push_back(scrape_url(url));
            next.clear();
            for (scrape_result& page : co_await aya::gather(std::move(pages))) {
                for (std::string const& path : page.links)
                    if (seen.insert(site + path).second)
                        next.push_back(site + path);
                results.push_back(std::move(page));
            }
        }
        co_return results;
    }

private:
    aya::task<scrape_result> scrape_url(std::string url) {
        auto const permit = co_await semaphore_.acquire();
        scrape_result result{.url = url, .error = {}, .links = {}};
        try {
            http::response const response = co_await client_.get(url);
            co_await aya::sleep(delay_);
            result.status_code = response.status_code();
            result.content_length = response.content().size();
            result.links = links_of(response.text());
        } catch (http::timeout_error const&) {
            result.error = "Timeout";
        } catch (http::http_error const& e) {
            result.error = e.what();
        }
        co_return result;
    }

    static std::vector<std::string> links_of(std::string const& page) {
        static std::regex const link("href=\"(/[^\"#]*)");
        std::vector<std::string> links;
        for (std::sregex_iterator i(page.begin(), page.end(), link); i != std::sregex_iterator(); ++i)
            links.push_back((*i)[1]);
        return links;
    }

    aya::semaphore semaphore_;
    aya::duration delay_;
    http::client client_;
};

aya::task<> scrape(std::string url) {
    scraper s(10, 50ms);
    std::vector<scrape_result> const results = co_await s.scrape_site(url);
    std::size_t good = 0;
    for (scrape_result const& r : results) {
        fmt::print("{} {} {} bytes {}\n", r.url, r.status_code, r.content_length, r.error);
        good += r.success();
    }
    fmt::print("total {}, success {}, failed {}\n", results.size(), good, results.size() - good);
}

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print(stderr, "usage: scraper URL\n");
        return 2;
    }
    aya::run(scrape(argv[1]));
}
