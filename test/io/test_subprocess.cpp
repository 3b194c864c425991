// SPDX-License-Identifier: Apache-2.0
// The contract's sentences on subprocesses.
#include <aya/gather.hpp>
#include <aya/io/subprocess.hpp>
#include <aya/timeout.hpp>

#include "io/forbidden_call.hpp"
#include "io/streams.hpp"
#include "support/symbolizer.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <future>
#include <string>
#include <system_error>

#include <sys/syscall.h>
#include <sys/wait.h>

using namespace std::chrono_literals;
namespace io = aya::io;

namespace {

io::subprocess_options with_pipes() {
    io::subprocess_options options;
    options.standard_input = options.standard_output = options.standard_error = io::redirect::pipe;
    return options;
}

aya::task<io::process> shell(std::string line) { return io::create_subprocess_shell(std::move(line), with_pipes()); }

// False while the process is there, as a zombie too.
bool gone(int pid) { return ::kill(pid, 0) != 0 && errno == ESRCH; }

} // namespace

TEST_CASE("SP1: a missing program is an error of the call") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        std::error_code code;
        try {
            (void)co_await io::create_subprocess_exec("/no/such/program", "argument");
        } catch (std::system_error const& e) {
            code = e.code();
        }
        CHECK(code == std::errc::no_such_file_or_directory);
        CHECK(co_await test::throws<std::invalid_argument>(io::create_subprocess_exec(std::vector<std::string>())));
    });
}

TEST_CASE("SP2: returncode is none while it runs, the exit code after, and -N for signal N") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto p = co_await shell("read line; exit 7");
        CHECK(!p.returncode());
        p.stdin_writer().write("go\n");
        CHECK(co_await p.wait() == 7);
        CHECK(p.returncode() == 7);
        auto killed = co_await shell("read line");
        killed.terminate();
        CHECK(co_await killed.wait() == -SIGTERM);
    });
}

TEST_CASE("SP3: many may wait, and a wait after the end returns at once") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto p = co_await shell("read line");
        auto a = aya::create_task(p.wait());
        auto b = aya::create_task(p.wait());
        co_await aya::sleep(1ms);
        p.kill();
        CHECK(co_await a == -SIGKILL);
        CHECK(co_await b == -SIGKILL);
        CHECK(co_await p.wait() == -SIGKILL);
    });
}

TEST_CASE("SP4: wait is for the process, communicate for its pipes as well") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        // The grandchild keeps the pipe open.
        auto p = co_await shell("(read line; echo late) <&0 & exit 3");
        CHECK(co_await p.wait() == 3);
        auto out = co_await p.communicate("go\n");
        CHECK(out.standard_output == "late\n");
    });
}

TEST_CASE("SP5: communicate feeds and reads at the same time, and forgives a child that does not read") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        std::string const much(1'000'000, 'x');
        auto cat = co_await shell("tee /dev/stderr");
        auto out = co_await cat.communicate(much);
        CHECK(out.standard_output == much);
        CHECK(out.standard_error == much);
        CHECK(cat.returncode() == 0);
        auto quiet = co_await shell("cat; echo end");
        auto in = quiet.stdin_writer();
        CHECK(in.can_write_eof());
        in.write("fed\n");
        in.write_eof();
        CHECK(in.is_closing()); // a pipe has one direction
        CHECK(co_await quiet.stdout_reader().read() == "fed\nend\n");
        CHECK(co_await quiet.wait() == 0);
        auto complaining = co_await shell("echo no >&2");
        CHECK(co_await complaining.stderr_reader().read() == "no\n");
        CHECK(co_await complaining.wait() == 0);
        io::subprocess_options odd;
        odd.standard_output = io::redirect::to_stdout;
        CHECK(co_await test::throws<std::invalid_argument>(io::create_subprocess_shell("true", odd)));
        auto deaf = co_await shell("echo done");
        auto rest = co_await deaf.communicate(much);
        CHECK(rest.standard_output == "done\n");
    });
}

TEST_CASE("SP6: cancelling communicate or wait leaves the process alone") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto p = co_await shell("read line; echo $line");
        CHECK(co_await test::throws<aya::timeout_error>(aya::wait_for(p.wait(), 2ms)));
        CHECK(co_await test::throws<aya::timeout_error>(aya::wait_for(
            [](io::process q) -> aya::task<std::string> { co_return co_await q.stdout_reader().readline(); }(p), 2ms)));
        CHECK(!p.returncode());
        auto out = co_await p.communicate("still here\n");
        CHECK(out.standard_output == "still here\n");
    });
}

TEST_CASE("SP7: a signal after the end is an error") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto p = co_await shell("exit 0");
        CHECK(co_await p.wait() == 0);
        std::error_code code;
        try {
            p.kill();
        } catch (std::system_error const& e) {
            code = e.code();
        }
        CHECK(code == std::errc::no_such_process);
    });
}

TEST_CASE("SP8: a running process whose handles are gone is killed, and reaped") {
    int last = 0;
    test::on_every_runtime([&](aya::runtime& rt) {
        auto work = [](int& pid) -> aya::task<> {
            int dropped = 0;
            {
                auto p = co_await shell("read line");
                dropped = p.pid();
            }
            CHECK(co_await test::eventually([&] { return gone(dropped); }));
            auto p = co_await shell("read line");
            pid = p.pid(); // the runtime ends at once
        };
        rt.block_on(work(last));
    });
    if (last != 0) // a pass of doctest's may run on no runtime
        CHECK(test::eventually_outside([&] { return gone(last); }));
}

TEST_CASE("SP9: an exit that somebody else has reaped is 255") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto p = co_await shell("read line");
        ::kill(p.pid(), SIGKILL);
        // Whoever comes first: this wait, or the module's own.
        bool const mine = ::waitpid(p.pid(), nullptr, 0) == p.pid();
        int const code = co_await p.wait();
        bool const right = code == (mine ? 255 : -SIGKILL);
        CHECK(right);
    });
}

TEST_CASE("subprocess: redirections, directory and environment") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        io::subprocess_options options;
        options.standard_input = io::redirect::devnull;
        options.standard_output = io::redirect::pipe;
        options.standard_error = io::redirect::to_stdout;
        options.cwd = "/";
        options.env = std::vector<std::string>{"GREETING=hello"};
        auto p = co_await io::create_subprocess_shell("pwd; echo $GREETING >&2; cat", options);
        auto out = co_await p.communicate();
        CHECK(out.standard_output == "/\nhello\n");
        CHECK(p.returncode() == 0);
        CHECK_THROWS_AS((void)p.stdin_writer(), aya::invalid_state_error);
        auto plain = co_await io::create_subprocess_exec("true");
        CHECK(co_await plain.wait() == 0);
    });
}

TEST_CASE("subprocess: the child gets no other descriptor of the parent's, unless it is told to") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        int ends[2];
        CHECK(::pipe(ends) == 0); // not close-on-exec
        std::string const look = "test -e /proc/$$/fd/" + std::to_string(ends[0]);
        io::subprocess_options options;
        auto none = co_await io::create_subprocess_shell(look, options);
        CHECK(co_await none.wait() == 1);
        options.close_fds = false;
        auto all = co_await io::create_subprocess_shell(look, options);
        CHECK(co_await all.wait() == 0);
        ::close(ends[0]);
        ::close(ends[1]);
        options.limit = 0;
        CHECK(co_await test::throws<std::invalid_argument>(io::create_subprocess_shell("true", options)));
    });
}

TEST_CASE("subprocess: many at once leave no descriptor and no zombie") {
    std::size_t const before = test::open_descriptors();
    test::on_every_runtime([](aya::runtime& rt) {
        auto work = []() -> aya::task<> {
            auto one = [](int i) -> aya::task<> {
                auto p = co_await shell("echo " + std::to_string(i));
                auto out = co_await p.communicate();
                CHECK(out.standard_output == std::to_string(i) + "\n");
            };
            std::vector<aya::task<>> all;
            for (int i = 0; i < 20; ++i)
                all.push_back(one(i));
            co_await aya::gather(std::move(all));
        };
        rt.block_on(work());
    });
    CHECK(test::open_descriptors() == before);
    pid_t const left = ::waitpid(-1, nullptr, WNOHANG); // 0: a child that runs
    CHECK((test::has_symbolizer ? left <= 0 : left < 0));
}

TEST_CASE("subprocess: a child that may not be killed is left behind, and no runtime's end waits for it") {
    for (std::size_t const workers : test::every_kind) {
        std::atomic<pid_t> pid{0};
        auto start_and_end = [&] {
            if (!test::forbid(SYS_pidfd_send_signal))
                return false;
            aya::runtime rt(test::kind{workers}.options());
            pid = rt.block_on([]() -> aya::task<int> {
                auto p = co_await io::create_subprocess_exec("sleep", "1000");
                co_return p.pid(); // its last handle goes
            });
            return true;
        };
        auto ended = std::async(std::launch::async, start_and_end);
        bool const in_time = ended.wait_for(5s) == std::future_status::ready;
        bool const runs = pid != 0 && test::runs(pid);
        if (pid != 0) {
            ::kill(pid, SIGKILL); // whoever waits for it goes on
            ::waitpid(pid, nullptr, 0);
        }
        if (!ended.get()) {
            MESSAGE("the system has no filters of system calls: not tested");
            return;
        }
        CHECK(in_time);
        CHECK(runs);
    }
}
