// SPDX-License-Identifier: Apache-2.0
// The stages and the queues between them:
//
//   walk -> sized -> read heads -> heads -> hash heads -> hashed -> sift -> whole -> hash contents -> alike
//                                                            \________________________________________/
//                                          alike -> pair up -> suspects -> compare -> compared -> collect
//
// Every queue is bounded, so a stage that falls behind holds up the ones before it and memory stays flat. No
// stage feeds one that lies before it, so full queues cannot block each other in a ring.
#pragma once

#include "batch.hpp"
#include "compare.hpp"
#include "contents.hpp"
#include "groups.hpp"
#include "options.hpp"
#include "sieve.hpp"
#include "tally.hpp"
#include "walk.hpp"

#include <aya/aya.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace duplicates {

class pipeline {
public:
    pipeline(options const& chosen, std::size_t workers, walker& files, tally& counts, collector& found);

    // Runs every stage to its end. Cancelled, it leaves in `found` what was found so far.
    aya::task<> run();

    struct queued {
        std::string_view stage;
        std::size_t batches;
    };
    std::array<queued, 6> waiting() const;  // what lies in front of each stage

private:
    static aya::task<> start(aya::task_group& stages, pipeline* self);
    aya::task<> one_of(std::string_view name, aya::task<> (pipeline::*stage)());
    template <typename Item>
    aya::task<> several(std::string_view name, std::size_t tasks, aya::task<> (pipeline::*stage)(), aya::queue<Item>* next);

    aya::task<> walk();
    aya::task<> read_heads();
    aya::task<> hash_heads();
    aya::task<> sift_heads();
    aya::task<> hash_contents();
    aya::task<> pair_up();
    aya::task<> compare();
    aya::task<> collect();
    aya::task<> settle_rejected();

    // Where the work of a stage is done: on the pool made for it, or, with --loop, right here on the loop's
    // thread.
    template <typename F, typename... Arguments>
    aya::task<std::invoke_result_t<F, Arguments...>> waits(F f, Arguments... arguments);
    template <typename F, typename... Arguments>
    aya::task<std::invoke_result_t<F, Arguments...>> computes(F f, Arguments... arguments);
    aya::task<pairs> compared(pairs these);

    options const& options_;
    std::size_t workers_;
    std::size_t readers_;
    std::uint64_t step_bytes_;
    walker& files_;
    tally& counts_;
    collector& found_;

    aya::queue<batch_ptr> sized_;
    aya::queue<batch_ptr> heads_;
    aya::queue<batch_ptr> hashed_;
    aya::queue<batch_ptr> whole_;
    aya::queue<batch_ptr> alike_;
    aya::queue<pairs> suspects_;
    aya::queue<pairs> compared_;
};

}  // namespace duplicates
