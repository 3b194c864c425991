// SPDX-License-Identifier: Apache-2.0
// What the child of a fork() finds. Each child reports by its exit code, and is ended by an alarm when it hangs.
#include "support/harness.hpp"

#include <aya/aya.hpp>
#include <aya/config.hpp>
#include <aya/detail/frame_memory.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;

namespace {

/// The exit code of a child that runs `f`, or minus the signal that ended it.
template <class F>
int in_child(F f) {
    pid_t const child = ::fork();
    if (child == 0) {
        ::alarm(10);
        int code = 99;
        try {
            code = f();
        } catch (...) {
        }
        ::_exit(code);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/// Whether `f` throws an invalid_state_error that begins so, and speaks of fork().
template <class F>
bool refuses(std::string const& begin, F f) {
    std::string const what = test::refusal(f);
    return what.starts_with(begin) && what.find("fork()") != std::string::npos;
}

aya::task<int> answer() {
    co_await aya::sleep(1ms);
    co_return 42;
}

} // namespace

TEST_CASE("fork: in the child, a runtime made before refuses work and waits, and its destructor does not wait") {
    for (std::size_t const workers : {0U, 1U, 2U, 8U}) {
        auto rt = std::make_unique<aya::runtime>(test::kind{workers}.options());
        CHECK(rt->block_on(answer()) == 42);
        auto const pending = rt->spawn(test::forever());
        auto const future = aya::run_coroutine_threadsafe(*rt, test::forever());
        int const code = in_child([&] {
            if (!refuses("aya::runtime::spawn: ", [&] { (void)rt->spawn(answer()); }))
                return 1;
            if (!refuses("aya::runtime::block_on: ", [&] { (void)rt->block_on(answer()); }))
                return 2;
            if (!refuses("aya::runtime::wait: ", [&] { rt->wait(pending); }))
                return 3;
            if (!refuses("aya::concurrent_future: ", [&] { future.wait(); }))
                return 4;
            if (!refuses("aya::runtime::shutdown: ", [&] { (void)rt->shutdown(1s); }))
                return 5;
            rt.reset();
            return 0;
        });
        CHECK(code == 0);
        CHECK(rt->block_on(answer()) == 42); // the parent's goes on
    }
}

TEST_CASE("fork: the same for a loop that a host drives") {
    aya::runtime_options options = test::kind{0}.options();
    options.driven_by_host = true;
    auto rt = std::make_unique<aya::runtime>(options);
    (void)rt->spawn(answer());
    CHECK(in_child([&] {
              if (!refuses("aya::runtime::poll: ", [&] { rt->poll(); }))
                  return 1;
              if (!refuses("aya::runtime::run_for: ", [&] { rt->run_for(1s); }))
                  return 2;
              if (!refuses("aya::runtime::next_deadline: ", [&] { (void)rt->next_deadline(); }))
                  return 3;
              if (!refuses("aya::runtime::descriptor: ", [&] { (void)rt->descriptor(); }))
                  return 4;
              rt.reset();
              return 0;
          }) == 0);
    CHECK(rt->poll() == 1);
}

TEST_CASE("fork: a child finds the frame memory whole, whatever the parent's threads do with it") {
    if (AYA_SANITIZED)
        return; // frames come from the sanitizer's own memory then, whose locks a fork() may find held
    std::atomic<bool> stop{false};
    test::thread_crew crew;
    for (int t = 0; t < 3; ++t)
        crew.add([&] {
            // Always more than a thread's magazines hold, so that the depots are busy.
            std::vector<void*> blocks;
            while (!stop.load())
                for (std::size_t size = 32; size <= 1024; size += 32) {
                    for (int i = 0; i < 200; ++i)
                        blocks.push_back(aya::detail::allocate_frame(size));
                    for (void* const b : blocks)
                        aya::detail::release_frame(b, size);
                    blocks.clear();
                }
        });
    int bad = 0;
    for (int i = 0; i < 100 && bad == 0; ++i)
        bad += in_child([] {
                   for (std::size_t size = 32; size <= 1024; size += 32)
                       for (int n = 0; n < 200; ++n)
                           (void)aya::detail::allocate_frame(size);
                   return 0;
               }) != 0;
    stop.store(true);
    crew.join();
    CHECK(bad == 0);
}

TEST_CASE("fork: a child makes runtimes of its own, also while the parent's are busy") {
    if (AYA_SANITIZED)
        return; // another thread may hold the sanitizer's own locks, and ThreadSanitizer allows no new threads then
    aya::runtime rt(test::kind{2}.options());
    auto churn = []() -> aya::task<> {
        for (;;) {
            std::vector<aya::task_handle<int>> some;
            for (int i = 0; i < 300; ++i)
                some.push_back(aya::create_task([]() -> aya::task<int> { co_return 1; }));
            for (auto const& h : some)
                co_await h;
        }
    };
    for (int i = 0; i < 4; ++i)
        (void)rt.spawn(churn);
    int bad = 0;
    for (int i = 0; i < 30; ++i)
        bad += in_child([] {
                   aya::runtime own(test::kind{2}.options());
                   auto body = []() -> aya::task<int> {
                       auto [a, b] = co_await aya::gather(answer(), answer());
                       co_return a + b;
                   };
                   return own.block_on(body) == 84 ? 0 : 1;
               }) != 0;
    CHECK(bad == 0);
}

TEST_CASE("fork: a task may fork, and its child may make a runtime") {
    if (AYA_SANITIZED)
        return; // as above
    test::on_every_runtime([](aya::runtime& rt) {
        auto body = []() -> aya::task<int> {
            int const code = in_child([] {
                aya::runtime own(test::kind{1}.options());
                return own.block_on(answer()) == 42 ? 7 : 1;
            });
            co_return code;
        };
        CHECK(rt.block_on(body) == 7);
    });
}

TEST_CASE("fork: to_cpu fails in a child whose parent has used it, instead of a wait for ever") {
    if (AYA_SANITIZED)
        return; // as above
    auto compute = []() -> aya::task<int> {
        int const x = co_await aya::to_cpu([] { return 5; });
        co_return x;
    };
    aya::runtime rt(test::kind{1}.options());
    CHECK(rt.block_on(compute) == 5);
    CHECK(in_child([&] {
              aya::runtime own(test::kind{1}.options());
              try {
                  (void)own.block_on(compute);
              } catch (aya::broken_executor const& e) {
                  return std::string(e.what()).find("fork()") != std::string::npos ? 0 : 2;
              }
              return 1;
          }) == 0);
}
