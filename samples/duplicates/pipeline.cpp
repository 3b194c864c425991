// SPDX-License-Identifier: Apache-2.0
#include "pipeline.hpp"

#include "heads.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace duplicates {
namespace {

constexpr std::size_t queue_capacity = 16;    // batches
constexpr std::size_t entries_a_step = 4096;  // directory entries the walk sees before it hands over

// A batch of files to read whole, or of pairs to compare. Its files are open at the same time: readers times
// content_files stays below 1024, the usual limit.
constexpr std::size_t most_readers = 32;
constexpr std::size_t content_files = 16;
constexpr std::uint64_t content_bytes = 16 << 20;

// A job that reads a lot does it in steps. On the loop's own thread a step takes about a millisecond, for
// nobody else can run meanwhile; on a pool it may take longer.
constexpr std::uint64_t loop_step = 4 << 20;
constexpr std::uint64_t pool_step = 32 << 20;

// The next item of a queue, or nothing once the stage before has ended.
template <typename Item>
aya::task<std::optional<Item>> next(aya::queue<Item>* from) {
    try {
        co_return co_await from->get();
    } catch (aya::queue_shut_down const&) {
        co_return std::nullopt;
    }
}

aya::task<> put_all(aya::queue<batch_ptr>* to, std::vector<batch_ptr> batches) {
    for (batch_ptr& one : batches) {
        co_await to->put(std::move(one));
    }
}

content_key key_of(item const& it) {
    return content_key{it.what->size, it.hash};
}

}  // namespace

pipeline::pipeline(options const& chosen, std::size_t workers, walker& files, tally& counts, collector& found)
    : options_(chosen), workers_(workers), readers_(std::clamp<std::size_t>(2 * workers, 4, most_readers)),
      step_bytes_(chosen.single_loop ? loop_step : pool_step), files_(files), counts_(counts), found_(found),
      sized_(queue_capacity), heads_(queue_capacity), hashed_(queue_capacity), whole_(queue_capacity),
      alike_(queue_capacity), suspects_(queue_capacity), compared_(queue_capacity) {}

template <typename F, typename... Arguments>
aya::task<std::invoke_result_t<F, Arguments...>> pipeline::waits(F f, Arguments... arguments) {
    if (options_.single_loop) {
        co_await aya::yield();  // or nobody else, Ctrl-C included, would get a turn
        co_return std::invoke(f, std::move(arguments)...);
    }
    co_return co_await aya::to_thread(f, std::move(arguments)...);
}

template <typename F, typename... Arguments>
aya::task<std::invoke_result_t<F, Arguments...>> pipeline::computes(F f, Arguments... arguments) {
    if (options_.single_loop) {
        co_await aya::yield();
        co_return std::invoke(f, std::move(arguments)...);
    }
    co_return co_await aya::to_cpu(f, std::move(arguments)...);
}

aya::task<> pipeline::run() {
    // However this ends, a job that still runs on a pool must not go on reading for nobody.
    struct stop_jobs {
        explicit stop_jobs(tally& of) : counts(of) {}
        ~stop_jobs() { counts.stop.store(true, tally::relaxed); }
        tally& counts;
    } const at_end(counts_);
    co_await aya::with_task_group(&pipeline::start, this);
    co_await settle_rejected();
}

aya::task<> pipeline::start(aya::task_group& stages, pipeline* self) {
    stages.create_task(self->walk(), {.name = "walk"});
    stages.create_task(self->several("read heads", self->readers_, &pipeline::read_heads, &self->heads_));
    stages.create_task(self->several("hash heads", self->workers_, &pipeline::hash_heads, &self->hashed_));
    stages.create_task(self->sift_heads(), {.name = "sift heads"});
    stages.create_task(self->several("hash contents", self->readers_, &pipeline::hash_contents, &self->alike_));
    stages.create_task(self->pair_up(), {.name = "pair up"});
    stages.create_task(self->several("compare", self->readers_, &pipeline::compare, &self->compared_));
    stages.create_task(self->collect(), {.name = "collect"});
    co_return;
}

// Named, for those who look inside: AYA_TRACE, aya-ps.
aya::task<> pipeline::one_of(std::string_view name, aya::task<> (pipeline::*stage)()) {
    aya::current_task().set_name(name);
    co_await (this->*stage)();
}

// A stage of several tasks: when the last of them has ended, the next stage learns that nothing more will
// come.
template <typename Item>
aya::task<> pipeline::several(std::string_view name, std::size_t tasks, aya::task<> (pipeline::*stage)(),
                              aya::queue<Item>* next_queue) {
    std::vector<aya::task<>> same;
    for (std::size_t i = 0; i < tasks; ++i) {
        same.push_back(one_of(name, stage));
    }
    co_await aya::gather(std::move(same));
    next_queue->shutdown();
}

aya::task<> pipeline::walk() {
    while (!files_.finished()) {
        std::vector<batch_ptr> found = co_await waits(&walker::step, &files_, entries_a_step);
        co_await put_all(&sized_, std::move(found));
    }
    sized_.shutdown();
}

aya::task<> pipeline::read_heads() {
    while (std::optional<batch_ptr> files = co_await next(&sized_)) {
        batch_ptr read = co_await waits(&duplicates::read_heads, std::move(*files), std::ref(counts_));
        co_await heads_.put(std::move(read));
    }
}

aya::task<> pipeline::hash_heads() {
    while (std::optional<batch_ptr> files = co_await next(&heads_)) {
        batch_ptr hashed = co_await computes(&duplicates::hash_heads, std::move(*files));
        co_await hashed_.put(std::move(hashed));
    }
}

// Small files are known by now; of the others, those whose heads are alike are read whole.
aya::task<> pipeline::sift_heads() {
    head_sieve heads;
    batcher whole(content_files, content_bytes);
    while (std::optional<batch_ptr> files = co_await next(&hashed_)) {
        std::erase_if((*files)->items, [&](item const& it) {
            if (it.usable && it.what->size > head_size) {
                heads.offer(key_of(it), it.what, [&](file* f) {
                    counts_.expected.fetch_add(f->size, tally::relaxed);
                    whole.add(f, f->size);
                });
            }
            return !it.usable || it.what->size > head_size;
        });
        co_await alike_.put(std::move(*files));
        co_await put_all(&whole_, whole.take());
    }
    whole.flush();
    co_await put_all(&whole_, whole.take());
    whole_.shutdown();
}

aya::task<> pipeline::hash_contents() {
    using progress = content_job::progress;
    using source = content_job::source;
    while (std::optional<batch_ptr> files = co_await next(&whole_)) {
        // Shared: a step that runs when this task is cancelled runs to its end, and needs the job until then.
        auto const job = std::make_shared<content_job>(std::move(*files), counts_);
        co_await waits(&content_job::open_files, job);
        auto done = progress::more;
        while (done != progress::done) {
            done = co_await computes(&content_job::step, job, source::cached, step_bytes_);
            if (done == progress::would_wait) {
                done = co_await waits(&content_job::step, job, source::disk, step_bytes_);
            }
        }
        co_await alike_.put(job->take());
    }
}

aya::task<> pipeline::pair_up() {
    grouper groups(options_.hash_bits);
    pairs found;
    std::uint64_t weight = 0;
    while (std::optional<batch_ptr> files = co_await next(&alike_)) {
        for (item const& it : (*files)->items) {
            if (it.usable) {
                groups.offer(key_of(it), it.what, [&](pair const& two) {
                    found.push_back(two);
                    weight += two.member->size;
                    counts_.expected.fetch_add(2 * two.member->size, tally::relaxed);
                });
            }
        }
        if (found.size() >= content_files || weight >= content_bytes) {
            weight = 0;
            co_await suspects_.put(std::exchange(found, {}));
        }
    }
    co_await suspects_.put(std::move(found));
    suspects_.shutdown();
}

aya::task<pairs> pipeline::compared(pairs these) {
    if (!options_.compare) {
        for (pair& two : these) {
            two.result = verdict::equal;
        }
        co_return these;
    }
    auto const job = std::make_shared<compare_job>(std::move(these), counts_);
    bool done = false;
    while (!done) {
        done = co_await waits(&compare_job::step, job, step_bytes_);
    }
    co_return job->take();
}

aya::task<> pipeline::compare() {
    while (std::optional<pairs> these = co_await next(&suspects_)) {
        pairs done = co_await compared(std::move(*these));
        co_await compared_.put(std::move(done));
    }
}

aya::task<> pipeline::collect() {
    while (std::optional<pairs> done = co_await next(&compared_)) {
        found_.add(*done);
    }
}

// Files that share a hash, but not the content: so rare that nobody waits for it.
aya::task<> pipeline::settle_rejected() {
    for (pairs again = found_.rematch(); !again.empty(); again = found_.rematch()) {
        pairs done = co_await compared(std::move(again));
        found_.add(done);
    }
}

std::array<pipeline::queued, 6> pipeline::waiting() const {
    return {{{"read", sized_.size()},
             {"hash", heads_.size()},
             {"sift", hashed_.size()},
             {"whole", whole_.size()},
             {"pair", alike_.size()},
             {"compare", suspects_.size()}}};
}

}  // namespace duplicates
