// SPDX-License-Identifier: Apache-2.0
// What somebody else's handlers do to the workers that call them.
#include <aya/io/context.hpp>
#include <aya/sync/event.hpp>

#include "support/harness.hpp"

#include <boost/asio/post.hpp>
#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

TEST_CASE("I/O: an exception of a handler is reported, and the worker goes on, whether it waits in the driver or looks there in passing") {
    test::report_log log;
    aya::runtime_options options;
    options.exception_handler = log.handler();
    test::on_every_runtime(
        [&](aya::runtime& rt) {
            auto body = [](bool idle) -> aya::task<> {
                aya::event over;
                boost::asio::post(aya::io::context(), [] { throw std::runtime_error("mine"); });
                boost::asio::post(aya::io::context(), [&] { over.set(); });
                if (idle)
                    co_await over.wait();
                else
                    CHECK(co_await test::eventually([&] { return over.is_set(); }));
            };
            std::size_t const before = log.count();
            rt.block_on(body, true);
            rt.block_on(body, false);
            std::vector<std::string> const messages = log.messages();
            REQUIRE(messages.size() == before + 2);
            CHECK(messages.back() == "Exception in a handler of an I/O operation");
        },
        options);
}
