// SPDX-License-Identifier: Apache-2.0
// How tasks end where several things come together. The numbers are those of test/README.md.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <string>

TEST_CASE("E27: tasks that are spawned while the runtime ends, by destructors and by handlers of cancellations, end too") {
    static std::atomic<int> spawned{0};
    static std::atomic<int> ended{0};
    spawned = ended = 0;
    struct last_words {
        static aya::task<> say(int generations) {
            struct at_the_end {
                int left;
                ~at_the_end() {
                    if (left > 0) {
                        ++spawned;
                        (void)aya::create_task(say(left - 1));
                    }
                }
            } const later{generations};
            struct counted {
                ~counted() { ++ended; }
            } const me;
            co_await test::forever();
        }
    };
    test::on_every_runtime([](aya::runtime& rt) {
        for (int i = 0; i < 5; ++i) {
            ++spawned;
            (void)rt.spawn(last_words::say(3));
        }
        rt.block_on([]() -> aya::task<> {
            for (int i = 0; i < 50; ++i)
                co_await aya::yield();
        });
    });
    // Those that never had a first step have no locals; none of them is left, as main() checks.
    CHECK(ended <= spawned);
    CHECK(spawned >= 5);
}

TEST_CASE("E44: how a task ends, when its handle goes and when it is cancelled, in every combination") {
    enum class end { returns, throws, cancels_itself };
    enum class handle { dropped_at_once, dropped_while_it_waits, kept, kept_and_asked };
    enum class cancel { never, at_once, while_it_waits, afterwards };
    struct subject {
        static aya::task<int> run(aya::event* go, end how) {
            co_await go->wait();
            if (how == end::throws)
                throw std::runtime_error("thrown");
            if (how == end::cancels_itself)
                throw aya::cancelled_error();
            co_return 1;
        }
    };
    struct play {
        static aya::task<std::string> with(end how, handle what, cancel when) {
            aya::event go;
            auto h = aya::create_task(subject::run(&go, how));
            if (when == cancel::at_once)
                h.cancel();
            if (what == handle::dropped_at_once)
                h = {};
            co_await test::settle();
            if (when == cancel::while_it_waits && h)
                h.cancel();
            if (what == handle::dropped_while_it_waits)
                h = {};
            go.set();
            co_await test::settle();
            if (!h)
                co_return "gone";
            if (!h.done())
                co_return "not done";
            if (when == cancel::afterwards && h.cancel())
                co_return "cancelled after its end";
            if (h.cancelled())
                co_return "cancelled";
            if (what != handle::kept_and_asked)
                co_return "done";
            co_return h.exception() ? "thrown" : std::to_string(h.result());
        }
    };
    test::report_log log;
    aya::runtime_options options;
    options.virtual_time = true;
    options.exception_handler = log.handler();
    test::on_every_runtime([&](aya::runtime& rt) {
        for (end const how : {end::returns, end::throws, end::cancels_itself}) {
            for (handle const what : {handle::dropped_at_once, handle::dropped_while_it_waits, handle::kept, handle::kept_and_asked}) {
                for (cancel const when : {cancel::never, cancel::at_once, cancel::while_it_waits, cancel::afterwards}) {
                    CAPTURE(static_cast<int>(how));
                    CAPTURE(static_cast<int>(what));
                    CAPTURE(static_cast<int>(when));
                    std::size_t const before = log.count();
                    std::string const state = rt.block_on(play::with(how, what, when));
                    bool const has_handle = what == handle::kept || what == handle::kept_and_asked;
                    bool const cancelled_in_time =
                        when == cancel::at_once || (when == cancel::while_it_waits && what != handle::dropped_at_once);
                    std::string const expected = !has_handle ? "gone"
                                                 : cancelled_in_time || how == end::cancels_itself ? "cancelled"
                                                 : what == handle::kept                            ? "done"
                                                 : how == end::throws                              ? "thrown"
                                                                                                   : "1";
                    CHECK(state == expected);
                    // A failure that nobody has asked for or tried to cancel is reported, once.
                    bool const silent = how != end::throws || cancelled_in_time || what == handle::kept_and_asked ||
                                        (has_handle && when == cancel::afterwards);
                    if (!silent) // by whichever thread is the last to let go of it
                        CHECK(test::eventually_outside([&] { return log.count() == before + 1; }));
                    CHECK(log.count() - before == (silent ? 0 : 1));
                }
            }
        }
    }, options);
}
