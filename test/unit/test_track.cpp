// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>
#include <aya/track.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <pty.h>
#include <unistd.h>

namespace {

// What was written to a descriptor until now.
std::string written(int descriptor) {
    std::string all;
    char part[4096];
    for (ssize_t got = ::read(descriptor, part, sizeof part); got > 0; got = ::read(descriptor, part, sizeof part))
        all.append(part, static_cast<std::size_t>(got));
    return all;
}

struct pipe_ends {
    pipe_ends() { REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0); }
    ~pipe_ends() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    int ends[2];
};

bool contains(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("track: a range gives its elements, and plain lines where no terminal is") {
    pipe_ends p;
    std::vector<int> numbers(100, 1);
    int sum = 0;
    for (int& n : aya::track(numbers, {.label = "adding", .unit = "numbers", .descriptor = p.ends[1]}))
        sum += n;
    CHECK(sum == 100);
    std::string const text = written(p.ends[0]);
    CHECK(text.starts_with("adding: 10 of 100 numbers, 10 %"));
    CHECK(contains(text, "adding: 90 of 100 numbers, 90 %"));
    CHECK(contains(text, "adding: 100 of 100 numbers, 100 %"));
    CHECK(std::count(text.begin(), text.end(), '\n') == 10);
}

TEST_CASE("track: an unknown total, and a temporary range") {
    pipe_ends p;
    int sum = 0;
    for (int const n : aya::track(std::vector{1, 2, 3} | std::views::filter([](int i) { return i != 2; }), {.descriptor = p.ends[1]}))
        sum += n;
    CHECK(sum == 4);
    CHECK(written(p.ends[0]).starts_with("2"));
}

TEST_CASE("track: a view, for pipelines of others") {
    using vector_view = decltype(aya::track(std::declval<std::vector<int>&>()));
    static_assert(std::ranges::input_range<vector_view> && std::ranges::view<vector_view> && std::ranges::sized_range<vector_view>);
    static pipe_ends* p;
    pipe_ends mine;
    p = &mine;
    test::everywhere([]() -> aya::task<> {
        std::vector<int> const numbers{1, 2, 3};
        auto twice = [](int n) -> aya::task<int> {
            co_await aya::yield();
            co_return 2 * n;
        };
        auto const results = co_await aya::gather(aya::max_concurrency{2},
                                                  aya::track(numbers, {.label = "doubling", .descriptor = p->ends[1]}) | std::views::transform(twice));
        CHECK(results == std::vector{2, 4, 6});
        CHECK(contains(written(p->ends[0]), "doubling: 3 of 3, 100 %"));
    });
}

TEST_CASE("track: rates have no exponents") {
    pipe_ends p;
    {
        aya::progress shown({.descriptor = p.ends[1]});
        auto const begin = std::chrono::steady_clock::now();
        while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(2)) { // before that, none is written
        }
        shown.advance(1'000'000'000);
    }
    std::string const text = written(p.ends[0]);
    CHECK(contains(text, " a second"));
    CHECK_FALSE(contains(text, "e+"));
}

TEST_CASE("track: a stream gives what its source gives") {
    static pipe_ends* p;
    pipe_ends mine;
    p = &mine;
    test::everywhere([]() -> aya::task<> {
        auto source = []() -> aya::async_generator<int> {
            for (int i = 1; i <= 4; ++i) {
                co_await aya::yield();
                co_yield i;
            }
        };
        auto tracked = aya::track(source(), {.label = "stream", .total = 4, .descriptor = p->ends[1]});
        int sum = 0;
        while (auto n = co_await tracked.next())
            sum += *n;
        CHECK(sum == 10);
        std::string const text = written(p->ends[0]);
        CHECK(contains(text, "stream: 1 of 4, 25 %"));
        CHECK(contains(text, "stream: 4 of 4, 100 %"));
    });
}

TEST_CASE("progress: a bar on a terminal, from any thread; the last state is written") {
    int terminal = -1, shown = -1;
    struct winsize size {
        24, 80, 0, 0
    };
    REQUIRE(::openpty(&terminal, &shown, nullptr, nullptr, &size) == 0);
    ::fcntl(terminal, F_SETFL, O_NONBLOCK);
    {
        aya::progress bar({.label = "hashing", .total = 1000, .descriptor = shown});
        bar.advance();
        std::string const first = written(terminal);
        CHECK(first.starts_with("\r\033[Khashing [  "));
        CHECK(contains(first, "] 1 of 1000, 0 %"));
        test::thread_crew crew;
        for (int i = 0; i < 3; ++i)
            crew.add([&] {
                for (int k = 0; k < 333; ++k)
                    bar.advance();
            });
        crew.join();
        bar.clear();
        CHECK(bar.done() == 1000);
    }
    std::string const last = written(terminal);
    {
        aya::progress gone({.label = "gone", .descriptor = shown});
        gone.advance();
        gone.discard();
    }
    CHECK(written(terminal).ends_with("\r\033[K"));
    CHECK(contains(last, "hashing [========="));
    CHECK(contains(last, "] 1000 of 1000, 100 %"));
    CHECK(last.ends_with("\r\n"));
    ::close(terminal);
    ::close(shown);
}

TEST_CASE("progress: shown by who knows how far it is, with a note; a total of nothing; nobody who reads") {
    pipe_ends p;
    {
        aya::progress shown({.label = "copying", .unit = "MB", .descriptor = p.ends[1]});
        shown.show(1, 20);
        CHECK(written(p.ends[0]).empty()); // not a tenth
        shown.show(3, 30, "a.iso");
        std::string const text = written(p.ends[0]);
        CHECK(text.starts_with("copying: 3 of 30 MB, 10 %"));
        CHECK(text.ends_with(" a.iso\n"));
        shown.show(30, 30, "done");
        CHECK(written(p.ends[0]).empty()); // the last state is the destructor's
    }
    CHECK(contains(written(p.ends[0]), "30 of 30 MB, 100 %"));
    std::vector<int> const none;
    auto view = aya::track(none, {.label = "none", .descriptor = p.ends[1]});
    CHECK(view.size() == 0);
    std::vector<int> const three{1, 2, 3};
    CHECK(aya::track(three, {.total = 6, .descriptor = p.ends[1]}).size() == 3); // what is said of the total is not asked of the range
    CHECK(contains(written(p.ends[0]), "0 of 6, 0 %"));
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    ::close(ends[0]);
    auto const before = std::signal(SIGPIPE, SIG_IGN);
    {
        aya::progress unread({.total = 10, .descriptor = ends[1]});
        for (int i = 0; i < 10; ++i)
            unread.advance();
        CHECK(unread.done() == 10);
    }
    std::signal(SIGPIPE, before);
    ::close(ends[1]);
}

TEST_CASE("progress: on a terminal that is too narrow, or does not know its width") {
    for (bool const narrow : {true, false}) {
        int terminal = -1, shown = -1;
        struct winsize size {
            24, 0, 0, 0
        };
        if (narrow)
            size.ws_col = 30;
        REQUIRE(::openpty(&terminal, &shown, nullptr, nullptr, &size) == 0);
        ::fcntl(terminal, F_SETFL, O_NONBLOCK);
        {
            aya::progress bar({.label = "a label of some length", .total = 2, .descriptor = shown});
            bar.advance();
        }
        std::string line = written(terminal);
        std::size_t const begin = line.rfind("\033[K") + 3;
        line = line.substr(begin, line.find('\r', begin) - begin);
        CHECK(line.starts_with("a label of some length ["));
        CHECK(line.size() <= (narrow ? 29U : 79U));
        CHECK(contains(line, "1 of 2") != narrow);
        ::close(terminal);
        ::close(shown);
    }
}
