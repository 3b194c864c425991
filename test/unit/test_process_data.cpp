// SPDX-License-Identifier: Apache-2.0
// What goes to another process and back: large data in shared memory, and data that are not what they should be.
#include "process/core.hpp"
#include "process/wire.hpp"
#include "support/harness.hpp"
#include "support/processes.hpp"

#include <aya/aya.hpp>
#include <aya/process_pool.hpp>

#include <cereal/types/map.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <future>
#include <map>
#include <memory>
#include <new>
#include <numeric>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;

int add(int a, int b) { return a + b; }
long sum_span(std::span<int const> values) { return std::accumulate(values.begin(), values.end(), 0L); }
long sum_vector(std::vector<int> const& values) { return sum_span(values); }
std::vector<int> count_up(std::size_t n) {
    std::vector<int> values(n);
    std::iota(values.begin(), values.end(), 0);
    return values;
}
aya::shared_array<int> negated(aya::shared_array<int> values) {
    for (int& v : values)
        v = -v;
    return values;
}
std::map<int, std::string> large_map(std::string const& text, int n) {
    std::map<int, std::string> all;
    for (int i = 0; i < n; ++i)
        all[i] = text + std::to_string(i);
    return all;
}
long many_spans(std::span<int const> a, std::span<int const> b, std::vector<int> c, aya::shared_array<int> d, std::string_view e) {
    return sum_span(a) + 10 * sum_span(b) + 100 * sum_vector(c) + 1000 * sum_span({d.data(), d.size()}) + static_cast<long>(e.size());
}

ino_t file_of(int descriptor) {
    struct stat status {};
    CHECK(::fstat(descriptor, &status) == 0);
    return status.st_ino;
}

TEST_CASE("process_pool: arrays of every size go over and come back") {
    aya::process_pool pool({.max_workers = 2});
    std::size_t const sizes[] = {0, 1, 1000, 8191, 8192, 16383, 16384, 16385, 1'000'000};
    for (std::size_t const n : sizes) {
        std::vector<int> const values = count_up(n);
        long const sum = sum_vector(values);
        CHECK(pool.submit<&sum_span>(values).get() == sum);
        CHECK(pool.submit<&sum_vector>(values).get() == sum);
        CHECK(pool.submit<&count_up>(n).get() == values);
        aya::shared_array<int> const back = pool.submit<&negated>(aya::shared_array<int>(values)).get();
        CHECK(back.size() == n);
        CHECK(sum_span({back.data(), back.size()}) == -sum);
    }
    std::vector<int> const ones(20'000, 1);
    CHECK(pool.submit<&many_spans>(ones, std::vector<int>(3, 1), ones, aya::shared_array<int>(ones), std::string(50'000, 'x')).get() ==
          20'000 + 30 + 2'000'000 + 20'000'000 + 50'000);
}

TEST_CASE("process_pool: a large shared_array is the same memory here and there") {
    aya::process_pool pool({.max_workers = 1});
    aya::shared_array<int> values(1'000'000);
    values[7] = 7;
    aya::detail::shared_block block = std::move(values).take_block();
    ino_t const before = file_of(block.descriptor());
    aya::shared_array<int> back = pool.submit<&negated>(aya::shared_array<int>(std::move(block))).get();
    CHECK(back[7] == -7);
    CHECK(file_of(std::move(back).take_block().descriptor()) == before);
}

TEST_CASE("shared_array: read through const, moved over another one, refused where no size could hold it") {
    aya::shared_array<int> values(3);
    std::iota(values.begin(), values.end(), 1);
    aya::shared_array<int> const& constant = values;
    CHECK(std::accumulate(constant.begin(), constant.end(), 0) == 6);
    CHECK(constant[2] == 3);
    aya::shared_array<int> other(100'000); // a file in memory
    other[0] = 9;
    values = std::move(other);
    CHECK(values.size() == 100'000);
    CHECK(values[0] == 9);
    CHECK(values[1] == 0);
    CHECK_THROWS_AS((void)aya::shared_array<int>(SIZE_MAX / 4), std::bad_array_new_length);
    CHECK_THROWS_AS((void)aya::shared_array<char>(SIZE_MAX / 2), std::system_error); // more than there are addresses
}

TEST_CASE("process_pool: what is too long for the rings goes through shared memory, whatever its type") {
    aya::process_pool pool({.max_workers = 1});
    std::string const text(1000, 'a');
    auto const all = pool.submit<&large_map>(text, 5000).get();
    CHECK(all.size() == 5000);
    CHECK(all.at(4999) == text + "4999");
    std::string const longest(20'000'000, 'b');
    CHECK(pool.submit<&large_map>(longest, 1).get().at(0).size() == longest.size() + 1);
}

TEST_CASE("process_pool: many results that a slow reader takes late fill no memory but their own") {
    aya::process_pool pool({.max_workers = 2});
    std::vector<std::future<std::vector<int>>> results; // 8000 bytes each: the ring has room for thirty
    for (int i = 0; i < 2000; ++i)
        results.push_back(pool.submit<&count_up>(std::size_t{2000}));
    for (auto& r : results)
        CHECK(r.get().back() == 1999);
}

std::size_t resident_bytes() {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("VmRSS:"))
            return std::stoul(line.substr(6)) * 1024;
    return 0;
}

/// AYA_PROCESS_MEGABYTES, or what a run of all tests has time for.
std::size_t megabytes_wanted() {
    char const* const given = std::getenv("AYA_PROCESS_MEGABYTES");
    return given != nullptr ? std::strtoul(given, nullptr, 10) : AYA_SANITIZED ? 16 : 128;
}

TEST_CASE("process_pool: results of any total size leave the resident memory as it is") {
    std::size_t const total = megabytes_wanted();
    aya::process_pool pool({.max_workers = 2});
    auto read_all = [](aya::process_pool& p, std::size_t megabytes) -> aya::task<std::size_t> {
        std::size_t bytes = 0;
        auto all = p.map<&count_up>(std::vector<std::size_t>(megabytes, 256 * 1024), 4);
        while (auto r = co_await all.next())
            bytes += r->size() * sizeof(int);
        co_return bytes;
    };
    aya::runtime rt({.workers = 2});
    CHECK(rt.block_on(read_all, std::ref(pool), std::size_t{8}) == 8 << 20);
    std::size_t const before = resident_bytes();
    std::size_t const descriptors = test::open_descriptors();
    CHECK(rt.block_on(read_all, std::ref(pool), total) == total << 20);
    std::size_t const after = resident_bytes();
    if (!AYA_SANITIZED) // they keep what was freed
        CHECK(after < before + (16 << 20));
    CHECK(test::open_descriptors() <= descriptors + 4); // of results that are not yet gone
    MESSAGE(total << " MB: resident memory " << (before >> 20) << " MB before, " << (after >> 20) << " MB after");
}

// --- what cannot be serialised ----------------------------------------------------------------------------------------

struct picky {
    int value = 0;
    template <class Archive>
    void save(Archive& a) const {
        if (value < 0)
            throw std::domain_error("negative");
        a(value);
    }
    template <class Archive>
    void load(Archive& a) {
        a(value);
        if (value > 100)
            throw std::domain_error("too large");
    }
};
picky less(picky p, int n) { return {p.value - n}; }
std::size_t child_side(picky p) { return static_cast<std::size_t>(p.value); }

TEST_CASE("X8: what cannot be serialised is thrown at the await, on whichever side it fails; the child goes on") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        aya::process_pool pool({.max_workers = 1});
        picky const negative{-1}, large{101}, good{50};
        auto const here = aya::create_task(aya::to_process<&child_side>(pool, negative));
        bool const save_here = co_await test::throws<std::domain_error>(here);
        CHECK(save_here);
        auto const there = aya::create_task(aya::to_process<&child_side>(pool, large));
        bool const load_there = co_await test::throws<aya::serialization_error>(there);
        CHECK(load_there);
        auto const result = aya::create_task(aya::to_process<&less>(pool, good, 51));
        bool const save_there = co_await test::throws<aya::serialization_error>(result);
        CHECK(save_there);
        picky const back = co_await aya::to_process<&less>(pool, good, 1);
        CHECK(back.value == 49);
        CHECK(pool.children_started() == 1);
    });
}

TEST_CASE("process_pool: a function that the child does not have is named in the error") {
    aya::detail::process_function const only_here("only_here", [](aya::detail::process_message&, aya::detail::process_message&) {},
                                                  nullptr);
    auto const core = aya::detail::process_core::make({.max_workers = 1});
    auto* const job = new aya::detail::promised_process_job<void>(only_here);
    auto call = job->promise.get_future();
    core->submit(*job);
    CHECK_THROWS_WITH_AS(call.get(), "aya::process_pool: the child process does not have the function 'only_here'; is it in a library that only this process has loaded?",
                         aya::broken_executor);
    core->shut_down();
}

// --- malformed data ---------------------------------------------------------------------------------------------------

using values = std::tuple<std::string, std::vector<std::string>, std::map<int, double>, bool, picky, std::vector<std::vector<int>>>;

TEST_CASE("E34: encoded values that are cut short or changed are decoded to something or refused, within bounds") {
    std::vector<std::string> const words = {"one", "", "three"};
    values const original("text", words, std::map<int, double>{{1, 2.5}, {3, 4.5}}, true, picky{5}, {{1, 2}, {}, {3}});
    aya::detail::process_message good;
    {
        aya::detail::message_output output(good);
        aya::detail::process_writer writer(output);
        aya::detail::encode(writer, original);
        aya::detail::encode(writer, std::vector<int>{1, 2, 3});
    }
    auto const decode = [](std::vector<std::byte> bytes) {
        aya::detail::process_message m;
        m.bytes = std::move(bytes);
        aya::detail::message_input input(m);
        aya::detail::process_reader reader(input);
        (void)aya::detail::decode<values>(reader);
        (void)aya::detail::decode<std::vector<int>>(reader);
        input.finish();
    };
    CHECK_NOTHROW(decode(good.bytes));
    for (std::size_t n = 0; n < good.bytes.size(); ++n)
        CHECK_THROWS_AS(decode({good.bytes.begin(), good.bytes.begin() + static_cast<std::ptrdiff_t>(n)}), aya::serialization_error);
    auto longer = good.bytes;
    longer.push_back(std::byte{0});
    CHECK_THROWS_AS(decode(longer), aya::serialization_error);
    test::random_source random(2);
    std::size_t refused = 0, accepted = 0;
    for (int round = 0; round < (AYA_SANITIZED ? 5000 : 50'000); ++round) {
        auto changed = good.bytes;
        for (std::size_t flips = 1 + random.below(4); flips != 0; --flips)
            changed[random.below(changed.size())] ^= std::byte{1} << random.below(8);
        try {
            decode(std::move(changed));
            ++accepted;
        } catch (std::exception const&) { // serialization_error, or the type's own
            ++refused;
        }
    }
    CHECK(refused != 0);
    CHECK(accepted != 0);
}

TEST_CASE("E34: headers that contradict themselves are refused") {
    using aya::detail::plausible;
    aya::detail::wire_header h;
    CHECK(plausible(h, sizeof h));
    CHECK_FALSE(plausible(h, sizeof h - 1));
    h.bytes = 100;
    CHECK(plausible(h, sizeof h + 100));
    CHECK_FALSE(plausible(h, sizeof h + 99));
    h.bytes = 0xffffffff;
    CHECK_FALSE(plausible(h, std::uint64_t{1} << 40));
    h = {};
    h.blocks = aya::detail::most_descriptors + 1;
    CHECK_FALSE(plausible(h, 1 << 20));
    h.blocks = 0;
    h.flags = aya::detail::flag_bytes_in_block;
    CHECK_FALSE(plausible(h, 1 << 20));
    h.flags = 2;
    CHECK_FALSE(plausible(h, 1 << 20));
}

TEST_CASE("E34: shared memory from another process is checked before it is mapped") {
    using aya::detail::shared_block;
    int const short_file = ::memfd_create("short", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(::ftruncate(short_file, 4096) == 0);
    CHECK(::fcntl(short_file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    CHECK_THROWS_AS((void)shared_block::adopt(::dup(short_file), 4097), std::runtime_error);
    CHECK_THROWS_AS((void)shared_block::adopt(::dup(short_file), 0), std::runtime_error);
    CHECK_NOTHROW((void)shared_block::adopt(::dup(short_file), 4096));
    ::close(short_file);
    int const unsealed = ::memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(::ftruncate(unsealed, 4096) == 0);
    CHECK_THROWS_AS((void)shared_block::adopt(unsealed, 4096), std::runtime_error); // and closes it
    int ends[2];
    CHECK(::pipe2(ends, O_CLOEXEC) == 0);
    CHECK_THROWS_AS((void)shared_block::adopt(ends[0], 1), std::runtime_error);
    CHECK_THROWS_AS((void)shared_block::adopt(-1, 1), std::system_error);
    ::close(ends[1]);
}

/// In the child: overwrites some of what it shares with the parent.
int scribble(std::uint64_t seed, bool controls) {
    std::ifstream maps("/proc/self/maps");
    std::byte* begin = nullptr;
    for (std::string line; std::getline(maps, line);) {
        std::size_t const first = std::stoul(line, nullptr, 16), last = std::stoul(line.substr(line.find('-') + 1), nullptr, 16);
        if (line.find("memfd:aya") != std::string::npos && last - first == sizeof(aya::detail::wire_memory))
            begin = reinterpret_cast<std::byte*>(first);
    }
    if (begin == nullptr)
        return -1;
    std::mt19937_64 random(seed);
    auto const& memory = *reinterpret_cast<aya::detail::wire_memory*>(begin);
    for (std::uint64_t n = 1 + random() % 8; n != 0; --n) {
        std::size_t const ends = static_cast<std::size_t>(memory.ends - begin);
        // The counters; or the results that this child has written, headers included.
        std::size_t const at = controls ? random() % 192 : ends + random() % 256;
        begin[at] ^= static_cast<std::byte>(1u << random() % 8);
    }
    return 1;
}

TEST_CASE("E34: a child that overwrites what it shares harms its own calls alone, and the parent not at all") {
    test::random_source random(3);
    std::size_t survived = 0, broken = 0, stuck = 0;
    for (int round = 0; round < (AYA_SANITIZED ? 10 : 60); ++round) {
        aya::process_pool pool({.max_workers = 1});
        std::vector<std::future<int>> calls;
        for (int i = 0; i < 10; ++i)
            calls.push_back(pool.submit<&add>(i, i));
        calls.push_back(pool.submit<&scribble>(random.below(1'000'000'000), random.one_in(2)));
        for (int i = 0; i < 10; ++i)
            calls.push_back(pool.submit<&add>(i, i));
        for (auto& c : calls) {
            // A child that has told itself that there is nothing to do looks like one that takes long: who waits decides.
            if (c.wait_for(std::chrono::milliseconds(300)) != std::future_status::ready) {
                ++stuck;
                for (pid_t const pid : pool.children())
                    ::kill(pid, SIGKILL);
            }
            CHECK(c.wait_for(60s) == std::future_status::ready);
            try {
                (void)c.get(); // a number, though maybe another one: its bytes were in reach
                ++survived;
            } catch (std::exception const&) {
                ++broken;
            }
        }
        CHECK(pool.submit<&add>(20, 1).get() == 21);
    }
    MESSAGE(survived << " results, " << broken << " broken, " << stuck << " stuck");
    CHECK(survived != 0);
}

} // namespace
