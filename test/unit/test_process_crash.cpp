// SPDX-License-Identifier: Apache-2.0
// process_pool: children that die, by themselves, by others, or because nobody waits for their call any more.
#include "process/core.hpp"
#include "support/harness.hpp"
#include "support/processes.hpp"

#include <aya/aya.hpp>
#include <aya/process_pool.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <future>
#include <set>
#include <string>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;

int add(int a, int b) { return a + b; }
pid_t own_pid() { return ::getpid(); }
int kill_self(int signal) {
    std::signal(signal, SIG_DFL);
    ::raise(signal);
    return 0;
}
int exit_with(int code) { std::exit(code); }
int stop_self() { return ::raise(SIGSTOP); }
int close_socket() { return ::close(3) + ::pause(); }
int wait_at_gate(std::string const& path, int result) {
    test::gate::wait_at(path);
    return result;
}
/// Tells by a file that it has begun.
int count(std::string const& path, std::uint64_t number) {
    test::note(path, number);
    return static_cast<int>(number);
}
int count_with(std::string const& path, std::uint64_t number, std::vector<int> const&) { return count(path, number); }
std::vector<char> count_and_fill(std::string const& path, std::uint64_t number, std::size_t bytes) {
    test::note(path, number);
    return std::vector<char>(bytes, static_cast<char>(number));
}

/// An initializer: every child but the first one waits to be killed.
void first_one_only(std::string const& log, std::uint64_t most) {
    test::note(log, 0);
    int const begun = test::notes(log, 1)[0];
    while (begun > 1 && begun <= static_cast<int>(most) + 1)
        ::pause();
}
int size_of(std::vector<int> const& v) { return static_cast<int>(v.size()); }

template <class T>
std::string why_broken(std::future<T>& call) {
    try {
        (void)call.get();
    } catch (aya::broken_executor const& e) {
        return e.what();
    } catch (...) {
        return "another exception";
    }
    return "a result";
}

bool contains(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

TEST_CASE("X7: a child that dies takes its own call with it and no other, and is replaced") {
    aya::process_pool pool({.max_workers = 1});
    struct end {
        std::function<std::future<int>()> call;
        std::string why;
    };
    std::vector<end> const ends = {
        {[&] { return pool.submit<&kill_self>(SIGKILL); }, "was killed by signal 9 (Killed) while it ran 'kill_self'"},
        {[&] { return pool.submit<&kill_self>(SIGSEGV); }, "was killed by signal 11 (Segmentation fault) while it ran"},
        {[&] { return pool.submit<&exit_with>(0); }, "exited with status 0 while it ran"},
        {[&] { return pool.submit<&exit_with>(3); }, "exited with status 3 while it ran"},
        {[&] { return pool.submit<&close_socket>(); }, "while it ran"},
    };
    for (end const& e : ends) {
        std::vector<std::future<int>> before, after;
        for (int i = 0; i < 20; ++i)
            before.push_back(pool.submit<&add>(i, 1));
        std::future<int> dead = e.call();
        for (int i = 0; i < 300; ++i)
            after.push_back(pool.submit<&add>(i, 2));
        for (int i = 0; i < 20; ++i)
            CHECK(before[static_cast<std::size_t>(i)].get() == i + 1);
        std::string why = why_broken(dead);
        if (auto const at = why.find("(anonymous namespace)::"); at != std::string::npos)
            why.erase(at, 23);
        if (auto const at = why.find("{anonymous}::"); at != std::string::npos)
            why.erase(at, 13);
        CHECK_MESSAGE(contains(why, e.why), why);
        for (int i = 0; i < 300; ++i)
            CHECK(after[static_cast<std::size_t>(i)].get() == i + 2);
    }
}

TEST_CASE("X7: children that die before they are ready end no call while another child works") {
    test::temporary_folder const folder;
    test::gate gate(folder);
    std::uint64_t const most = 7; // more than the pool would try without any other child
    aya::process_pool pool({.max_workers = 2, .initializer = aya::process_call::to<&first_one_only>(folder.file("log"), most)});
    std::future<int> busy = pool.submit<&wait_at_gate>(gate.path(), 1);
    REQUIRE(test::eventually_outside([&] { return gate.somebody_waits(); }));
    pid_t const healthy = pool.children().at(0);
    std::vector<std::future<int>> queued;
    for (int i = 0; i < 4; ++i)
        queued.push_back(pool.submit<&size_of>(std::vector<int>(50'000, 1))); // too large to wait behind a call that runs
    std::set<pid_t> killed;
    CHECK(test::eventually_outside([&] {
        for (pid_t const child : pool.children())
            if (child != healthy && killed.size() < most && test::notes(folder.file("log"), 1)[0] > static_cast<int>(killed.size()) + 1 &&
                killed.insert(child).second)
                ::kill(child, SIGKILL);
        return killed.size() == most;
    }));
    for (std::future<int>& call : queued)
        CHECK(call.get() == 50'000);
    gate.open();
    CHECK(busy.get() == 1);
}

TEST_CASE("process_pool: an idle child that is killed is replaced before anybody notices") {
    aya::process_pool pool({.max_workers = 1});
    for (int i = 0; i < 20; ++i) {
        pid_t const pid = pool.submit<&own_pid>().get();
        ::kill(pid, SIGKILL);
        // Given to it before or after its death: not begun, so another one runs it.
        CHECK(pool.submit<&add>(i, i).get() == 2 * i);
    }
    CHECK(pool.children_started() == 21);
}

TEST_CASE("X3: a cancelled call that runs is killed, with its process and no other") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::temporary_folder const folder;
        test::gate own(folder, "own"), other(folder, "other");
        std::string const log = folder.file("log");
        aya::process_pool pool({.max_workers = 2});
        auto const hung = aya::create_task(aya::to_process<&wait_at_gate>(pool, own.path(), 1));
        auto const innocent = aya::create_task(aya::to_process<&wait_at_gate>(pool, other.path(), 2));
        bool const begun = co_await test::eventually([&] { return own.somebody_waits() && other.somebody_waits(); });
        CHECK(begun);
        std::vector<aya::task_handle<int>> behind; // given to the two in advance
        for (std::uint64_t i = 0; i < 200; ++i)
            behind.push_back(aya::create_task(aya::to_process<&count>(pool, log, i)));
        co_await aya::yield();
        hung.cancel();
        bool const cancelled = co_await test::throws<aya::cancelled_error>(hung);
        CHECK(cancelled);
        for (std::uint64_t i = 0; i < 200; ++i) {
            int const result = co_await behind[i];
            CHECK(result == static_cast<int>(i));
        }
        CHECK(test::notes(log, 200) == std::vector<int>(200, 1));
        other.open();
        int const two = co_await innocent;
        CHECK(two == 2);
        CHECK(pool.children_started() == 3);
    });
}

TEST_CASE("X3: a cancelled call that has not begun never runs, and kills nobody") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::temporary_folder const folder;
        test::gate gate(folder);
        std::string const log = folder.file("log");
        aya::process_pool pool({.max_workers = 1});
        auto const first = aya::create_task(aya::to_process<&wait_at_gate>(pool, gate.path(), 1));
        bool const begun = co_await test::eventually([&] { return gate.somebody_waits(); });
        CHECK(begun);
        // More than a child is given in advance.
        std::vector<aya::task_handle<int>> waiting;
        for (std::uint64_t i = 0; i < 300; ++i)
            waiting.push_back(aya::create_task(aya::to_process<&count>(pool, log, i)));
        for (int i = 0; i < 10; ++i)
            co_await aya::yield();
        for (std::size_t i = 0; i < 300; i += 3)
            waiting[i].cancel();
        for (std::size_t i = 0; i < 300; i += 3) {
            bool const cancelled = co_await test::throws<aya::cancelled_error>(waiting[i]);
            CHECK(cancelled);
        }
        gate.open();
        std::vector<int> expected(300, 0);
        for (std::size_t i = 0; i < 300; ++i) {
            if (i % 3 == 0)
                continue;
            expected[i] = 1;
            int const result = co_await waiting[i];
            CHECK(result == static_cast<int>(i));
        }
        int const one = co_await first;
        CHECK(one == 1);
        CHECK(test::notes(log, 300) == expected);
        CHECK(pool.children_started() == 1);
    });
}

// A task that begins to wait may be cancelled, and go on, before its thread gets to give the call to the pool.
TEST_CASE("X3: a call whose task was cancelled before the pool had it never runs, and kills nobody") {
    using namespace aya::detail;
    test::temporary_folder const folder;
    std::string const log = folder.file("log");
    auto const core = process_core::make({.max_workers = 1});
    auto const call = [&](auto& job, std::uint64_t number) { job.template encode<registered<&count>::signature>(log, number); };
    auto* const cancelled = new awaited_process_job(registered<&count>::function);
    call(*cancelled, 0);
    cancelled->add_reference();
    CHECK(cancelled->abandon()); // by the canceller
    core->abandon(*cancelled);   // by the task
    core->submit(*cancelled);    // by the thread where it began to wait
    auto* const other = new promised_process_job<int>(registered<&count>::function);
    call(*other, 1);
    std::future<int> result = other->promise.get_future();
    core->submit(*other);
    CHECK(result.get() == 1);
    cancelled->release();
    CHECK(test::notes(log, 2) == std::vector<int>{0, 1});
    CHECK(core->children_started() == 1);
    core->shut_down();
}

TEST_CASE("X3: a cancelled call that a child was given, with memory of its own, and had not begun never runs") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::temporary_folder const folder;
        std::string const log = folder.file("log");
        aya::process_pool pool({.max_workers = 1});
        pid_t const child = co_await aya::to_process<&own_pid>(pool);
        ::kill(child, SIGSTOP);
        bool const stopped = co_await test::eventually([&] { return test::state_of(child) == 'T'; });
        CHECK(stopped);
        auto large = [](aya::process_pool& p, std::string path) -> aya::task<int> {
            std::vector<int> const values(50'000, 1);
            co_return co_await aya::to_process<&count_with>(p, path, std::uint64_t{0}, values);
        };
        auto const call = aya::create_task({.eager_start = true}, large, std::ref(pool), log);
        call.cancel();
        bool const cancelled = co_await test::throws<aya::cancelled_error>(call);
        CHECK(cancelled);
        int const one = co_await aya::to_process<&count>(pool, log, std::uint64_t{1});
        CHECK(one == 1);
        CHECK(test::notes(log, 2) == std::vector<int>{0, 1});
        CHECK(pool.children_started() == 2);
    });
}

TEST_CASE("to_process: a timeout ends a call that hangs, also when its process is stopped") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        aya::process_pool pool({.max_workers = 1});
        pid_t const pid = co_await aya::to_process<&own_pid>(pool);
        // Again, if the child had no CPU: a call that has not begun is taken back, and costs no process.
        for (int attempt = 0; attempt < 100 && test::runs(pid); ++attempt) {
            bool const timed_out = co_await test::throws<aya::timeout_error>(aya::create_task(aya::wait_for(aya::to_process<&stop_self>(pool), 20ms)));
            CHECK(timed_out);
        }
        int const three = co_await aya::to_process<&add>(pool, 1, 2);
        CHECK(three == 3);
        CHECK_FALSE(test::runs(pid));
    });
}

TEST_CASE("to_process: cancelled before the first step, and a second time") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::temporary_folder const folder;
        test::gate const gate(folder); // never opens: another worker may have begun it
        aya::process_pool pool({.max_workers = 1});
        auto const h = aya::create_task(aya::to_process<&wait_at_gate>(pool, gate.path(), 1));
        h.cancel();
        h.cancel();
        bool const cancelled = co_await test::throws<aya::cancelled_error>(h);
        CHECK(cancelled);
        int const three = co_await aya::to_process<&add>(pool, 1, 2);
        CHECK(three == 3);
    });
}

// --- chaos --------------------------------------------------------------------------------------------------------------

struct tally {
    std::atomic<std::uint64_t> good{0}, broken{0}, cancelled{0}, wrong{0};
};

aya::task<> caller(aya::process_pool& pool, std::string log, std::atomic<std::uint64_t>& next, std::vector<std::atomic<char>>& how,
                   std::atomic<bool> const& over, tally& t) {
    while (!over.load()) {
        std::uint64_t const number = next.fetch_add(1);
        if (number >= how.size())
            co_return;
        try {
            if (number % 50 == 0) { // through shared memory
                std::vector<char> const filled = co_await aya::to_process<&count_and_fill>(pool, log, number, std::size_t{100'000});
                bool const good = filled.size() == 100'000 && filled.front() == static_cast<char>(number) && filled.back() == filled.front();
                t.wrong += good ? 0 : 1;
            } else {
                int const result = co_await aya::to_process<&count>(pool, log, number);
                t.wrong += result == static_cast<int>(number) ? 0 : 1;
            }
            how[number] = 'g';
            ++t.good;
        } catch (aya::broken_executor const&) {
            how[number] = 'b';
            ++t.broken;
        } catch (aya::cancelled_error const&) {
            how[number] = 'c';
            ++t.cancelled;
            throw;
        }
    }
}

/// AYA_PROCESS_KILLS, or a number that a run of all tests has time for.
std::uint64_t kills_wanted() {
    char const* const given = std::getenv("AYA_PROCESS_KILLS");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : AYA_SANITIZED ? 20 : 100;
}

TEST_CASE("E32: children are killed at random: each call is run once, or says that its child has died; none is lost or repeated") {
    test::temporary_folder const folder;
    std::string const log = folder.file("log");
    std::uint64_t const kills = kills_wanted();
    std::size_t const descriptors = test::open_descriptors();
    {
        aya::process_pool pool({.max_workers = 3});
        aya::runtime rt({.workers = 2});
        std::vector<std::atomic<char>> how(5'000'000);
        std::atomic<std::uint64_t> next{0};
        std::atomic<bool> over{false};
        tally t;
        std::vector<aya::task_handle<>> callers;
        for (int i = 0; i < 100; ++i)
            callers.push_back(rt.spawn(caller, std::ref(pool), log, std::ref(next), std::ref(how), std::cref(over), std::ref(t)));
        test::random_source random(1);
        std::uint64_t killed = 0;
        std::uint64_t died_inside = 0;
        while (killed < kills) {
            // A few results between two deaths, so that each child gets to work.
            std::uint64_t const before = t.good.load();
            std::uint64_t const pause = 1 + random.below(50);
            REQUIRE(test::eventually_outside([&] { return t.good.load() >= before + pause; }));
            auto const children = pool.children();
            if (children.empty())
                continue;
            // One in ten dies inside a call, whatever the others are at when they are killed, with others' calls behind that.
            if (killed % 10 == 0) {
                std::future<int> dead = pool.submit<&kill_self>(SIGKILL);
                std::string const why = why_broken(dead);
                CHECK_MESSAGE(contains(why, "was killed by signal 9 (Killed) while it ran"), why);
                ++died_inside;
                ++killed;
                continue;
            }
            // Sometimes a task is cancelled instead, which kills as well if its call has begun.
            if (random.one_in(10)) {
                std::size_t const i = random.below(callers.size());
                callers[i].cancel();
                rt.wait(callers[i]);
                callers[i] = rt.spawn(caller, std::ref(pool), log, std::ref(next), std::ref(how), std::cref(over), std::ref(t));
            } else {
                ::kill(children[random.below(children.size())], SIGKILL); // it is ours and not reaped, or just gone
            }
            ++killed;
        }
        over = true;
        for (auto const& c : callers)
            rt.wait(c);
        std::uint64_t const made = std::min<std::uint64_t>(next.load(), how.size());
        auto const begun = test::notes(log, made);
        std::uint64_t repeated = 0, lost = 0, unaccounted = 0;
        for (std::size_t i = 0; i < made; ++i) {
            repeated += begun[i] > 1 ? 1 : 0;
            lost += how[i] == 'g' && begun[i] != 1 ? 1 : 0;
            unaccounted += how[i] == 0 ? 1 : 0;
        }
        CHECK(repeated == 0);
        CHECK(lost == 0);
        CHECK(unaccounted == 0);
        CHECK(t.wrong == 0);
        CHECK(t.broken + died_inside <= kills); // at most one call for each death
        CHECK(died_inside > 0);
        MESSAGE(kills << " kills: " << t.good.load() << " results, " << t.broken.load() + died_inside << " broken, " << t.cancelled.load() << " cancelled, "
                      << pool.children_started() << " children");
        pool.shutdown();
        CHECK(pool.children().empty());
    }
    CHECK(test::open_descriptors() == descriptors);
}

} // namespace
