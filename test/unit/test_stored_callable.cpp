// SPDX-License-Identifier: Apache-2.0
// A lambda with captures given to create_task() and its like is kept until its coroutine ends.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>

using test::everywhere;

TEST_CASE("stored callable: create_task keeps the captures and the arguments of a temporary lambda") {
    everywhere([]() -> aya::task<> {
        test::census census;
        auto const make = [&] {
            return aya::create_task(
                [shared = std::make_shared<std::string>("captured"), r = census.make()](
                    std::unique_ptr<int> number, std::string suffix) -> aya::task<std::string> {
                    co_await aya::yield();
                    co_await aya::yield();
                    co_return *shared + std::to_string(*number) + suffix;
                },
                std::make_unique<int>(7), std::string("!"));
        };
        auto const handle = make();
        std::string const result = co_await handle;
        CHECK(result == "captured7!");
        CHECK(census.live() == 0);
    });
}

TEST_CASE("stored callable: gone with a task that never ran") {
    everywhere([]() -> aya::task<> {
        test::census census;
        auto const handle = [&] {
            return aya::create_task([r = census.make()]() -> aya::task<> { co_return; });
        }();
        handle.cancel();
        co_await test::settle();
        CHECK(handle.done());
        CHECK(census.live() == 0);
    });
}

TEST_CASE("stored callable: runtime::spawn, block_on, task_group and with_task_group keep theirs") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::census census;
        auto const spawn = [&] {
            return rt.spawn(
                [r = census.make()](std::string s) -> aya::task<std::string> {
                    co_await aya::yield();
                    co_return s;
                },
                std::string("spawned"));
        };
        auto const handle = spawn();
        rt.wait(handle);
        CHECK(handle.result() == "spawned");
        int const n = rt.block_on(
            [r = census.make()](int x) -> aya::task<int> {
                co_await aya::yield();
                co_return x + 1;
            },
            1);
        CHECK(n == 2);
        auto main = [&]() -> aya::task<> {
            auto body = [r = census.make()](aya::task_group& group, int count) -> aya::task<int> {
                auto child = [r2 = r]() -> aya::task<> { co_await aya::yield(); };
                for (int i = 0; i < count; ++i)
                    (void)group.create_task(child);
                co_return count;
            };
            int const children = co_await aya::with_task_group(std::move(body), 3);
            CHECK(children == 3);
        };
        rt.block_on(main);
        CHECK(census.live() == 0);
    });
}

TEST_CASE("stored callable: timeout keeps the callable and the arguments") {
    everywhere([]() -> aya::task<> {
        test::census census;
        auto body = [r = census.make()](std::string s) -> aya::task<std::string> {
            co_await aya::sleep(std::chrono::milliseconds(1));
            co_return s;
        };
        std::string const result = co_await aya::timeout(std::chrono::seconds(1), std::move(body), std::string("kept"));
        CHECK(result == "kept");
    });
}
