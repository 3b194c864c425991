// SPDX-License-Identifier: Apache-2.0
// A program with a main loop of its own, as GUI toolkits have one: here it is poll(2) on a pipe of "user events". The runtime has no
// thread. It hands the main loop a descriptor, and its tasks run on the main thread, between events, where they may touch
// the widgets without a lock. Ends with 0 if everything came out as it should.
#include <aya/aya.hpp>
#include <aya/std_future.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include <poll.h>
#include <unistd.h>

using namespace std::chrono_literals;

namespace {

/// What only the main thread may touch.
struct window {
    std::thread::id main_thread = std::this_thread::get_id();
    std::string title = "idle";
    int frames = 0;
    int keys = 0;
    int wrong_thread = 0;
    bool open = true;

    void check_thread() { wrong_thread += std::this_thread::get_id() == main_thread ? 0 : 1; }
};

/// An animation: a frame every five milliseconds.
aya::task<> animate(window* w) {
    for (int i = 0; i < 20; ++i) {
        co_await aya::sleep(5ms);
        w->check_thread();
        ++w->frames;
    }
}

/// Loads a document away from the main thread, and shows it there.
aya::task<> load(window* w, std::string file) {
    w->title = "loading " + file;
    auto read = [file] {
        std::this_thread::sleep_for(30ms); // stands for a slow disk
        return file.size() * 1000;
    };
    std::size_t const size = co_await aya::to_thread(std::move(read));
    w->check_thread();
    w->title = fmt::format("{} ({} bytes)", file, size);
}

aya::task<> session(window* w) {
    auto loading = load(w, "letter.txt");
    co_await aya::gather(animate(w), std::move(loading));
    w->open = false;
}

} // namespace

int main() {
    aya::runtime_options options;
    options.scheduler = aya::scheduler_kind::event_loop;
    options.driven_by_host = true;
    aya::runtime rt(options);

    int events[2];
    if (::pipe(events) != 0)
        return 2;

    window w;
    auto const whole = rt.spawn(session(&w), {.name = "session"});

    // A user who types, and a thread of the host's that wants something shown.
    std::thread user([&] {
        for (char const key : std::string("hello")) {
            std::this_thread::sleep_for(10ms);
            (void)!::write(events[1], &key, 1);
        }
    });
    bool noted = false;
    std::thread other([&] {
        (void)aya::call_soon_threadsafe(rt, [&] {
            w.check_thread();
            noted = true;
        });
    });

    // The main loop: the runtime is one more descriptor in it.
    std::size_t steps = 0;
    int rounds = 0;
    while (w.open || w.keys < 5 || !noted) {
        pollfd watched[] = {{events[0], POLLIN, 0}, {rt.descriptor(), POLLIN, 0}};
        if (::poll(watched, 2, 10'000) <= 0)
            return 3; // ten seconds of nothing: something was lost
        ++rounds;
        if ((watched[0].revents & POLLIN) != 0) {
            char key = 0;
            if (::read(events[0], &key, 1) == 1)
                ++w.keys;
        }
        if ((watched[1].revents & POLLIN) != 0)
            steps += rt.poll(); // one turn; what is left after it keeps the descriptor readable
    }
    user.join();
    other.join();

    // A main loop that cannot watch descriptors (a game's) gives the runtime a share of each frame instead.
    auto const last = rt.spawn(animate(&w));
    for (int frame = 0; frame < 1000 && !last.done(); ++frame)
        steps += rt.run_for(2ms);

    auto const report = rt.shutdown(0s);
    fmt::print("{}: {} frames, {} keys, {} steps in {} rounds of the main loop\n", w.title, w.frames, w.keys, steps, rounds);
    ::close(events[0]);
    ::close(events[1]);
    // A runtime that is quiet does not keep the main loop busy: a round has its reason.
    bool const good = whole.done() && last.done() && w.frames == 40 && w.keys == 5 && w.wrong_thread == 0 &&
                      w.title == "letter.txt (10000 bytes)" && report.left.empty() && rounds < 200;
    return good ? 0 : 1;
}
