// SPDX-License-Identifier: Apache-2.0
// A program that is interrupted. It prints "ready" once its main task waits, and then what became of it.
// Arguments: what the main task does, or "masked" for one that is stubborn where one thread alone takes signals; and optionally "loop" for the event loop.
#include <aya/aya.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>

#include <pthread.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;

void say(char const* text) {
    std::puts(text);
    std::fflush(stdout);
}

struct cleanup {
    ~cleanup() { say("cleaned up"); }
};

// run() starts main before it watches for SIGINT.
aya::task<> until_watched() {
    for (;;) {
        struct sigaction now {};
        ::sigaction(SIGINT, nullptr, &now);
        if (now.sa_handler != SIG_DFL)
            co_return;
        co_await aya::yield();
    }
}

aya::task<int> wait_for_interrupt() {
    cleanup const c;
    co_await until_watched();
    say("ready");
    co_await aya::sleep(1h);
    co_return 1;
}

aya::task<int> swallow() {
    try {
        co_await wait_for_interrupt();
    } catch (aya::cancelled_error const&) {
    }
    co_return 7;
}

aya::task<int> fail() {
    try {
        co_await wait_for_interrupt();
    } catch (aya::cancelled_error const&) {
        throw std::runtime_error("failed while cleaning up");
    }
    co_return 1;
}

// Somebody else cancels as well: the interrupt is not the only reason.
aya::task<int> cancelled_twice() {
    try {
        co_await wait_for_interrupt();
    } catch (aya::cancelled_error const&) {
        aya::current_task().cancel();
        throw;
    }
    co_return 1;
}

aya::task<int> stubborn() {
    for (;;) {
        try {
            co_await wait_for_interrupt();
        } catch (aya::cancelled_error const&) {
            say("ignored");
        }
    }
}

void own_handler(int) {
    char const text[] = "own handler\n";
    (void)!::write(STDOUT_FILENO, text, sizeof text - 1);
    ::_exit(5);
}

// One thread takes the signal. ThreadSanitizer puts handlers off, and does not always call that of a thread on its way to sleep.
void take_signals_elsewhere() {
    std::thread([] {
        for (;;)
            ::pause();
    }).detach();
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &interrupt, nullptr); // in this thread, and in those that it will start
}

aya::task<int> (*choose(std::string const& what))() {
    if (what == "swallow")
        return &swallow;
    if (what == "fail")
        return &fail;
    if (what == "cancelled-twice")
        return &cancelled_twice;
    if (what == "stubborn" || what == "masked")
        return &stubborn;
    return &wait_for_interrupt;
}

} // namespace

int main(int argc, char** argv) {
    std::string const what = argc > 1 ? argv[1] : "";
    aya::runtime_options options;
    if (argc > 2 && std::strcmp(argv[2], "loop") == 0)
        options.scheduler = aya::scheduler_kind::event_loop;
    if (what == "own-handler")
        ::signal(SIGINT, &own_handler);
    if (AYA_SANITIZED || what == "masked")
        take_signals_elsewhere();
    int code = 1;
    try {
        int const result = aya::run(choose(what)(), options);
        std::printf("returned %d\n", result);
        code = 0;
    } catch (aya::keyboard_interrupt const&) {
        say("keyboard_interrupt");
        code = 2;
    } catch (aya::cancelled_error const&) {
        say("cancelled_error");
        code = 3;
    } catch (std::exception const& e) {
        std::printf("exception: %s\n", e.what());
        code = 4;
    }
    // run() put the old action back: the next one ends the process by default.
    struct sigaction now {};
    ::sigaction(SIGINT, nullptr, &now);
    say(now.sa_handler == SIG_DFL ? "default action" : "other action");
    return code;
}
