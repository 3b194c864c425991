// SPDX-License-Identifier: Apache-2.0
// In place of libFuzzer's main: runs the saved inputs of the folders and files given, and then so many random ones of a fixed seed.
//     replay_programs corpus/programs --random 1000
#include "fuzz/bytes.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace {

void replay(std::filesystem::path const& path) {
    std::ifstream in(path, std::ios::binary);
    std::vector<char> const text{std::istreambuf_iterator<char>(in), {}};
    std::vector<std::uint8_t> const input(text.begin(), text.end());
    LLVMFuzzerTestOneInput(input.data(), input.size());
}

} // namespace

int main(int argc, char** argv) {
    std::size_t saved = 0, random = 0;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--random") == 0 && i + 1 < argc) {
            random = std::strtoul(argv[++i], nullptr, 10);
            continue;
        }
        std::vector<std::filesystem::path> files;
        if (std::filesystem::is_directory(argv[i]))
            for (auto const& entry : std::filesystem::directory_iterator(argv[i]))
                files.push_back(entry.path());
        else
            files.emplace_back(argv[i]);
        std::sort(files.begin(), files.end());
        for (auto const& f : files) {
            std::fprintf(stderr, "%s\n", f.c_str()); // a crash leaves the name behind
            replay(f);
            ++saved;
        }
    }
    for (std::size_t n = 0; n < random; ++n) {
        std::mt19937_64 engine(n); // each input by its number alone
        std::vector<std::uint8_t> input(1 + engine() % 400);
        for (auto& b : input)
            b = static_cast<std::uint8_t>(engine());
        std::fprintf(stderr, "random %zu\r", n);
        LLVMFuzzerTestOneInput(input.data(), input.size());
    }
    std::printf("%zu saved and %zu random inputs\n", saved, random);
    return saved + random == 0 ? 1 : 0;
}
