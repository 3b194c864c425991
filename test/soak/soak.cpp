// SPDX-License-Identifier: Apache-2.0
// E01: so many tasks, in rounds of fork-join trees, tasks that are spawned and awaited, pairs that talk over queues, sleepers, and tasks that are cancelled.
// Every round counts what it ran, and the sums must be exact. Each second it prints how far it is and how much memory is resident; a second
// without progress ends it. In the end: the slope of the memory, by least squares, without the first tenth.
//     soak TASKS [WORKERS]        1,000,000,000 tasks take about five minutes on two cores
#include <aya/aya.hpp>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

std::atomic<unsigned long long> done{0};
std::atomic<bool> wrong{false};

aya::task<long> tree(int depth) {
    if (depth == 0)
        co_return 1;
    auto [a, b] = co_await aya::gather(tree(depth - 1), tree(depth - 1));
    co_return a + b + 1;
}

aya::task<long> one() { co_return 1; }

aya::task<long> spawned(long n) {
    long sum = 0;
    for (long i = 0; i < n; i += 10) {
        std::vector<aya::task_handle<long>> some;
        for (int k = 0; k < 10; ++k)
            some.push_back(aya::create_task(one()));
        for (auto const& h : some)
            sum += co_await h;
    }
    co_return sum;
}

aya::task<> echo(aya::queue<long>* from, aya::queue<long>* to, long n) {
    for (long i = 0; i < n; ++i)
        co_await to->put(co_await from->get() + 1);
}
aya::task<long> talk(long n) {
    aya::queue<long> there(4), back(4);
    auto const other = aya::create_task(echo(&there, &back, n));
    long sum = 0;
    for (long i = 0; i < n; ++i) {
        co_await there.put(i);
        sum += co_await back.get() - i;
    }
    co_await other;
    co_return sum; // n
}

aya::task<long> sleeper(int microseconds) {
    co_await aya::sleep(std::chrono::microseconds(microseconds));
    co_return 1;
}
aya::task<long> forever() {
    co_await aya::sleep(24h);
    co_return 0;
}
aya::task<long> cancelled(long n) {
    long count = 0;
    for (long i = 0; i < n; ++i) {
        auto const h = aya::create_task(forever());
        if (i % 2 == 0)
            co_await aya::yield();
        h.cancel();
        try {
            co_await h;
        } catch (aya::cancelled_error const&) {
            ++count;
        }
    }
    co_return count;
}

constexpr int depth = 18;
constexpr long in_tree = (1L << (depth + 1)) - 1;
constexpr long others = 20'000;

aya::task<> round_of_all() {
    std::vector<aya::task<long>> sleepers;
    for (int i = 0; i < 200; ++i)
        sleepers.push_back(sleeper(i));
    auto sleeping = aya::create_task([](std::vector<aya::task<long>> all) -> aya::task<long> {
        long sum = 0;
        for (long const n : co_await aya::gather(std::move(all)))
            sum += n;
        co_return sum;
    }, std::move(sleepers));
    auto [t, s, q, c] = co_await aya::gather(tree(depth), spawned(others), talk(others), cancelled(others / 10));
    long const slept = co_await sleeping;
    if (t != in_tree || s != others || q != others || c != others / 10 || slept != 200)
        wrong = true;
    done += static_cast<unsigned long long>(t + s + 1 + c + slept + 6);
}

double resident_megabytes() {
    long total = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1024.0 * 1024.0);
}

} // namespace

int main(int argc, char** argv) {
    unsigned long long const wanted = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10'000'000ULL;
    aya::runtime_options options;
    options.workers = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0;
    struct sample {
        double seconds, megabytes;
    };
    std::vector<sample> samples;
    auto const begin = clock::now();
    auto const seconds = [&] { return std::chrono::duration<double>(clock::now() - begin).count(); };
    std::jthread watch([&](std::stop_token const& over) {
        unsigned long long before = 0;
        int idle = 0;
        std::mutex mutex;
        std::condition_variable_any ended;
        std::unique_lock lock(mutex);
        for (;;) {
            ended.wait_for(lock, over, 1s, [] { return false; });
            if (over.stop_requested())
                break;
            unsigned long long const now = done;
            samples.push_back({seconds(), resident_megabytes()});
            std::printf("%6.0f s %14llu tasks %8.1f MB\n", samples.back().seconds, now, samples.back().megabytes);
            std::fflush(stdout);
            idle = now == before ? idle + 1 : 0;
            before = now;
            if (idle == 120) {
                std::puts("no progress for two minutes");
                std::_Exit(3);
            }
        }
    });
    {
        aya::runtime rt(options);
        while (done < wanted && !wrong)
            rt.block_on(round_of_all);
    }
    watch.request_stop();
    watch.join();
    double const taken = seconds();
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (std::size_t i = samples.size() / 10; i < samples.size(); ++i) {
        ++n;
        x += samples[i].seconds;
        y += samples[i].megabytes;
        xx += samples[i].seconds * samples[i].seconds;
        xy += samples[i].seconds * samples[i].megabytes;
    }
    double const spread = n * xx - x * x;
    double const slope = n < 3 || spread <= 0 ? 0 : (n * xy - x * y) / spread * 3600;
    std::printf("%llu tasks in %.1f s, %.0f ns each; resident %.1f MB, slope %+.2f MB an hour%s\n", done.load(), taken,
                taken * 1e9 / static_cast<double>(done.load()), resident_megabytes(), slope, wrong ? "; WRONG SUMS" : "");
    return wrong ? 1 : 0;
}
