// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"
#include "support/rest.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <pthread.h>
#include <sched.h>

using namespace std::chrono_literals;

namespace {

std::string own_name() {
    char name[16] = {};
    pthread_getname_np(pthread_self(), name, sizeof name);
    return name;
}

aya::task<std::string> name_of_worker() { co_return own_name(); }

/// The names of this process's threads that begin so.
std::multiset<std::string> threads(std::string const& prefix) {
    std::multiset<std::string> names;
    for (auto const& entry : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream file(entry.path() / "comm"); // gone, if the thread has ended meanwhile
        std::string name;
        if (std::getline(file, name) && name.starts_with(prefix))
            names.insert(name);
    }
    return names;
}

std::string refusal(aya::runtime_options const& options) {
    return test::refusal<std::invalid_argument>([&] { aya::runtime const refused(options); });
}

std::vector<std::size_t> cpus_of_thread() {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    sched_getaffinity(0, sizeof mask, &mask);
    std::vector<std::size_t> all;
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &mask))
            all.push_back(cpu);
    return all;
}

} // namespace

TEST_CASE("runtime_options: the threads bear the runtime's name") {
    aya::runtime_options options = test::kind{1}.options();
    options.name = "tenletters";
    aya::runtime rt(options);
    CHECK(rt.block_on(name_of_worker()) == "tenletters-0");
    auto blocking = []() -> aya::task<std::string> {
        auto name = co_await aya::to_thread(own_name);
        co_return name;
    };
    CHECK(rt.block_on(blocking) == "tenletters-b0");
    CHECK(aya::runtime(test::kind{1}.options()).block_on(name_of_worker()) == "aya-0");
}

TEST_CASE("runtime_options: a name that threads cannot bear is refused") {
    aya::runtime_options options;
    options.name = "elevenbytes";
    CHECK(refusal(options).starts_with("aya::runtime_options::name: \"elevenbytes\" has 11 bytes; 1 to 10 "));
    options.name = "";
    CHECK(refusal(options).starts_with("aya::runtime_options::name: "));
    options.name = std::string("a\0b", 3);
    CHECK(refusal(options).starts_with("aya::runtime_options::name: "));
}

TEST_CASE("runtime_options: the hooks run on each worker, before its first task and after its last one") {
    for (bool const lazy : {false, true}) {
        std::mutex mutex;
        std::set<std::pair<std::size_t, std::string>> started;
        std::set<std::pair<std::size_t, std::string>> stopped;
        aya::runtime_options options = test::kind{3}.options();
        options.lazy_workers = lazy;
        options.on_thread_start = [&](std::size_t worker) {
            std::lock_guard const guard(mutex);
            CHECK(started.emplace(worker, own_name()).second);
        };
        options.on_thread_stop = [&](std::size_t worker) {
            std::lock_guard const guard(mutex);
            CHECK(stopped.emplace(worker, own_name()).second);
        };
        {
            aya::runtime rt(options);
            std::string const where = rt.block_on(name_of_worker());
            std::lock_guard const guard(mutex);
            CHECK(std::any_of(started.begin(), started.end(), [&](auto const& s) { return s.second == where; }));
            CHECK(stopped.empty());
        }
        CHECK(stopped == started);
        if (!lazy)
            CHECK(started == std::set<std::pair<std::size_t, std::string>>{{0, "aya-0"}, {1, "aya-1"}, {2, "aya-2"}});
    }
}

TEST_CASE("runtime_options: what a hook throws is reported, and the worker goes on") {
    test::report_log log;
    aya::runtime_options options = test::kind{2}.options();
    options.exception_handler = log.handler();
    options.on_thread_start = [](std::size_t) { throw std::runtime_error("no"); };
    options.on_thread_stop = [](std::size_t) { throw 1; };
    {
        aya::runtime rt(options);
        CHECK(rt.block_on(name_of_worker()).starts_with("aya-"));
    }
    auto messages = log.messages();
    std::sort(messages.begin(), messages.end());
    CHECK(messages == std::vector<std::string>{"on_thread_start failed", "on_thread_start failed", "on_thread_stop failed",
                                               "on_thread_stop failed"});
}

TEST_CASE("runtime_options: pinned workers stay on their CPUs, and the other threads do not") {
    std::vector<std::size_t> const allowed = cpus_of_thread();
    aya::runtime_options options = test::kind{3}.options();
    options.affinity = {allowed.back(), allowed.front()};
    std::mutex mutex;
    std::vector<std::vector<std::size_t>> of_worker(3);
    options.on_thread_start = [&](std::size_t worker) {
        std::lock_guard const guard(mutex);
        of_worker[worker] = cpus_of_thread();
    };
    {
        aya::runtime rt(options);
        auto elsewhere = []() -> aya::task<std::vector<std::vector<std::size_t>>> {
            std::vector<std::vector<std::size_t>> found;
            found.push_back(co_await aya::to_thread(cpus_of_thread));
            found.push_back(co_await aya::to_cpu(cpus_of_thread));
            co_return found;
        };
        for (auto const& cpus : rt.block_on(elsewhere))
            CHECK(cpus == allowed);
    }
    CHECK(of_worker[0] == std::vector{allowed.back()});
    CHECK(of_worker[1] == std::vector{allowed.front()});
    CHECK(of_worker[2] == std::vector{allowed.back()});
    CHECK(cpus_of_thread() == allowed);
}

TEST_CASE("runtime_options: a pool that a pinned worker makes is as large as one that the runtime's maker makes") {
    aya::runtime_options options = test::kind{1}.options();
    options.affinity = {cpus_of_thread().front()};
    aya::runtime rt(options);
    auto sizes = []() -> aya::task<std::vector<std::size_t>> {
        aya::cpu_pool const cpu;
        aya::blocking_pool const blocking;
        co_return std::vector<std::size_t>{cpu.thread_count(), blocking.max_threads()};
    };
    CHECK(rt.block_on(sizes) == std::vector{aya::cpu_pool().thread_count(), aya::blocking_pool().max_threads()});
}

TEST_CASE("runtime_options: a CPU that is not to be had is refused, and so is pinning an event loop") {
    aya::runtime_options options = test::kind{1}.options();
    options.affinity = {cpus_of_thread().front(), 1023};
    CHECK(refusal(options).starts_with("aya::runtime_options::affinity: CPU 1023 is not among those that this thread may use: "));
    options.affinity = {1024};
    CHECK(refusal(options).starts_with("aya::runtime_options::affinity: CPU 1024 "));
    options = test::kind{0}.options();
    options.affinity = {cpus_of_thread().front()};
    CHECK(refusal(options).starts_with("aya::runtime_options::affinity: an event loop "));
}

TEST_CASE("runtime_options: lazy workers start when there is work for them, and not before") {
    aya::runtime_options options = test::kind{8}.options();
    options.name = "lazy";
    options.lazy_workers = true;
    aya::runtime rt(options);
    CHECK(threads("lazy-").empty());
    CHECK(rt.worker_count() == 8);
    CHECK(rt.block_on(name_of_worker()) == "lazy-0");
    // One that runs tasks, and one that watches over it.
    CHECK(threads("lazy-").size() <= 2);
    auto many = []() -> aya::task<std::size_t> {
        // Each holds its worker until all eight are there.
        auto arrived = std::make_shared<std::atomic<int>>(0);
        auto hold = [](std::shared_ptr<std::atomic<int>> count) -> aya::task<> {
            count->fetch_add(1);
            CHECK(test::eventually_outside([&] { return count->load() == 8; }));
            co_return;
        };
        auto body = [&](aya::task_group& group) -> aya::task<> {
            for (int i = 0; i < 8; ++i)
                group.create_task(hold, arrived);
            co_return;
        };
        co_await aya::with_task_group(body);
        co_return threads("lazy-").size();
    };
    CHECK(rt.block_on(many) == 8);
}

namespace {

/// While it lives, no thread can be started, for none can have a stack like that.
class no_more_threads {
public:
    no_more_threads() {
        pthread_attr_t impossible;
        REQUIRE(pthread_getattr_default_np(&usual_) == 0);
        REQUIRE(pthread_attr_init(&impossible) == 0);
        REQUIRE(pthread_attr_setstacksize(&impossible, std::size_t{1} << 46) == 0);
        REQUIRE(pthread_setattr_default_np(&impossible) == 0);
        pthread_attr_destroy(&impossible);
    }
    ~no_more_threads() {
        pthread_setattr_default_np(&usual_);
        pthread_attr_destroy(&usual_);
    }
    no_more_threads(no_more_threads const&) = delete;
    no_more_threads& operator=(no_more_threads const&) = delete;

private:
    pthread_attr_t usual_;
};

} // namespace

TEST_CASE("runtime_options: a lazy worker that cannot be started is reported, and started when it is wanted next") {
    test::report_log log;
    aya::runtime_options options = test::kind{1}.options();
    options.lazy_workers = true;
    options.exception_handler = log.handler();
    aya::runtime rt(options);
    std::optional<no_more_threads> none(std::in_place);
    auto const early = rt.spawn(name_of_worker());
    CHECK(log.messages() == std::vector<std::string>{"A worker's thread cannot be started"});
    CHECK_THROWS_AS(rt.wait(early), std::system_error);
    none.reset();
    rt.wait(early); // nothing was lost
    CHECK(early.result().starts_with("aya-"));
}

TEST_CASE("runtime_options: where a lazy worker cannot be started, those that there are do its work, and not each call is a report") {
    test::report_log log;
    aya::runtime_options options = test::kind{4}.options();
    options.lazy_workers = true;
    options.exception_handler = log.handler();
    aya::runtime rt(options);
    (void)rt.block_on(name_of_worker());
    CHECK(test::all_sleep(rt));
    no_more_threads const none;
    auto const outside = rt.spawn(name_of_worker());
    CHECK(test::eventually_outside([&] { return outside.done(); }));
    CHECK(log.count() == 1);
    auto many = []() -> aya::task<> {
        for (int i = 0; i < 1000; ++i)
            (void)co_await aya::create_task(name_of_worker());
    };
    rt.block_on(many);
    CHECK(log.count() < 200); // one in 100 ms
}

TEST_CASE("runtime_options: the handler that hears of a worker that cannot be started, when a timer is armed, may look into the runtime") {
    aya::runtime* looked_into = nullptr;
    std::atomic<int> heard{0};
    aya::runtime_options options = test::kind{2}.options();
    options.lazy_workers = true;
    options.exception_handler = [&](aya::exception_report const&) {
        (void)looked_into->metrics(); // counts the timers
        ++heard;
    };
    aya::blocking_pool const pool({.max_threads = 1});
    auto begin = [&]() -> aya::task<> { co_await aya::run_in_executor(pool, [] {}); };
    aya::runtime(test::kind{0}.options()).block_on(begin); // its thread is there
    aya::runtime rt(options);
    looked_into = &rt;
    std::atomic<bool> armed{false};
    auto body = [&]() -> aya::task<> {
        no_more_threads const none;
        auto arm = [](std::atomic<bool>* done) -> aya::task<> {
            (void)aya::call_later(1h, [] {}); // the only worker that runs is busy: another one is called
            done->store(true);
            co_return;
        };
        auto const there = aya::create_task(arm(&armed), {.executor = pool});
        CHECK(test::eventually_outside([&] { return armed.load(); })); // holds the worker
        co_await there;
    };
    rt.block_on(body);
    CHECK(heard >= 1);
}

TEST_CASE("runtime_options: timers, virtual time and the end are the same with lazy workers") {
    for (std::size_t const workers : {1U, 2U, 8U}) {
        aya::runtime_options options = test::kind{workers}.options();
        options.lazy_workers = true;
        { aya::runtime const unused(options); }
        for (bool const in_virtual_time : {false, true}) {
            options.virtual_time = in_virtual_time;
            aya::runtime rt(options);
            auto body = []() -> aya::task<int> {
                int sum = 0;
                for (int i = 0; i < 10; ++i) {
                    auto child = [](int n) -> aya::task<int> {
                        co_await aya::sleep(1ms);
                        co_return n;
                    };
                    auto const a = aya::create_task(child, i);
                    auto const b = aya::create_task(child, i);
                    sum += co_await a;
                    sum += co_await b;
                }
                co_return sum;
            };
            CHECK(rt.block_on(body) == 90);
            (void)rt.spawn(test::forever());
        }
    }
}

TEST_CASE("runtime_options: virtual time stands still for a thread that waits for what has ended") {
    for (std::size_t const workers : {0U, 1U, 2U, 8U}) {
        aya::runtime_options options = test::kind{workers}.options();
        options.virtual_time = true;
        aya::runtime rt(options);
        auto body = []() -> aya::task<> {
            (void)aya::call_later(1h, [] {});
            co_return;
        };
        auto const ended = rt.spawn(body);
        rt.wait(ended);
        // Long enough for an idle worker to look at the clock again and again.
        auto const begin = std::chrono::steady_clock::now();
        while (std::chrono::steady_clock::now() - begin < 50ms)
            rt.wait(ended);
        CHECK(rt.metrics().timers == 1);
    }
}

TEST_CASE("runtime_options: a dump_signal that cannot be handled is refused") {
    aya::runtime_options options;
    for (int const bad : {-1, SIGKILL, SIGSTOP, 1000}) {
        options.dump_signal = bad;
        std::string const why = refusal(options);
        CHECK(why == "aya::runtime_options::dump_signal: " + std::to_string(bad) + " is no signal that can be handled");
    }
}
