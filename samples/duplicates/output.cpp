// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include "text.hpp"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <string>
#include <system_error>

#include <fmt/format.h>

namespace duplicates {
namespace {

void append_lines(std::string& out, result const& one, char end) {
    if (!out.empty()) {
        out.push_back(end);
    }
    for (std::string const& path : one.paths) {
        out.append(path).push_back(end);
    }
}

void append_object(std::string& out, result const& one) {
    fmt::format_to(std::back_inserter(out), "{{\"size\": {}, \"paths\": [", one.size);
    char const* separator = "";
    for (std::string const& path : one.paths) {
        append_json(out.append(separator), path);
        separator = ", ";
    }
    out.append("]}\n");
}

double in_megabytes(std::uint64_t bytes) {
    return static_cast<double>(bytes) / 1e6;
}

}  // namespace

void print(std::vector<result> const& results, output_format format) {
    std::string out;
    for (result const& one : results) {
        switch (format) {
        case output_format::plain: append_lines(out, one, '\n'); break;
        case output_format::null_terminated: append_lines(out, one, '\0'); break;
        case output_format::json: append_object(out, one); break;
        }
    }
    if (std::fwrite(out.data(), 1, out.size(), stdout) != out.size() || std::fflush(stdout) != 0) {
        throw std::system_error(errno, std::generic_category(), "standard output");
    }
}

void print_summary(std::vector<result> const& results, tally const& counts, double seconds) {
    std::uint64_t duplicates = 0;
    std::uint64_t wasted = 0;
    for (result const& one : results) {
        duplicates += one.paths.size() - 1;
        wasted += one.size * (one.paths.size() - 1);
    }
    double const megabytes = in_megabytes(counts.bytes.load(tally::relaxed));
    std::string text = fmt::format(
        "{} files, {} of a size that is not unique; {:.1f} MB read in {:.2f} s, {:.1f} MB/s\n",
        counts.files.load(tally::relaxed), counts.candidates.load(tally::relaxed), megabytes, seconds,
        megabytes / seconds);
    fmt::format_to(std::back_inserter(text), "{} groups of equal files: {} duplicates, {:.1f} MB\n",
                   results.size(), duplicates, in_megabytes(wasted));
    for (unsigned i = 0; i < static_cast<unsigned>(skipped::count); ++i) {
        auto const why = static_cast<skipped>(i);
        if (counts.skips(why) != 0) {
            fmt::format_to(std::back_inserter(text), "left out: {} ({})\n", describe(why), counts.skips(why));
        }
    }
    std::fputs(text.c_str(), stderr);
}

}  // namespace duplicates
