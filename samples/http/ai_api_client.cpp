// SPDX-License-Identifier: Apache-2.0
// Several language models asked at once: a semaphore, retries with back-off where they help, latency and tokens of each answer, batches of
// prompts, and an answer that is printed while it is being written (server-sent events).
//
//   ai_api_client BASE_URL       an API like OpenAI's; the key comes from the variable API_KEY
#include <aya/aya.hpp>
#include <aya/http.hpp>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

namespace http = aya::http;
using namespace std::chrono_literals;
using nlohmann::json;

struct answer {
    std::string model;
    std::string content;
    int tokens_used = 0;
    double latency_ms = 0;
};

class ai_api_client {
public:
    ai_api_client(std::string base_url, std::string key) : client_(options(std::move(base_url), std::move(key))) {}

    /// One prompt, one answer. What may pass is tried again: too many requests, a server in trouble, a slow or broken connection.
    aya::task<answer> call(std::string model, std::string prompt) {
        auto const permit = co_await at_once_.acquire();
        co_return co_await aya::retry_if(may_pass, {.max_retries = 4, .base_delay = 50ms}, ask, this, model, prompt);
    }

    aya::task<std::vector<aya::outcome<answer>>> call_multiple_models(std::string prompt, std::vector<std::string> models) {
        std::vector<aya::task<answer>> calls;
        for (std::string const& model : models)
            calls.push_back(call(model, prompt));
        co_return co_await aya::gather(aya::return_exceptions, std::move(calls));
    }

    aya::task<std::vector<aya::outcome<answer>>> batch_process(std::string model, std::vector<std::string> prompts, std::size_t batch_size,
                                                               aya::duration pause) {
        std::vector<aya::outcome<answer>> results;
        for (std::size_t i = 0; i < prompts.size(); i += batch_size) {
            if (i != 0)
                co_await aya::sleep(pause); // in consideration of the rate limit
            std::vector<aya::task<answer>> batch;
            for (std::size_t k = i; k < std::min(i + batch_size, prompts.size()); ++k)
                batch.push_back(call(model, prompts[k]));
            for (auto& outcome : co_await aya::gather(aya::return_exceptions, std::move(batch)))
                results.push_back(std::move(outcome));
        }
        co_return results;
    }

    /// The answer piece by piece, as the model writes it.
    aya::async_generator<std::string> stream(std::string model, std::string prompt) {
        auto const permit = co_await at_once_.acquire();
        http::response_stream events = co_await client_.stream(question(model, prompt, true));
        events.raise_for_status();
        while (auto line = co_await events.next_line()) {
            if (!line->starts_with("data: "))
                continue;
            std::string const data = line->substr(6);
            if (data == "[DONE]")
                co_return;
            co_yield json::parse(data).at("choices").at(0).at("delta").value("content", "");
        }
    }

private:
    static http::client_options options(std::string base_url, std::string key) {
        http::client_options o{.base_url = std::move(base_url), .timeout = 60s};
        o.headers.set("Authorization", "Bearer " + key);
        return o;
    }

    static http::request question(std::string const& model, std::string const& prompt, bool stream) {
        json const body = {{"model", model}, {"stream", stream}, {"messages", {{{"role", "user"}, {"content", prompt}}}}};
        http::request r("POST", "/v1/chat/completions");
        http::timeouts limits(60s);
        limits.read = 2s;
        r.json(body.dump()).timeout(limits);
        return r;
    }

    static bool may_pass(std::exception_ptr const& error) {
        try {
            std::rethrow_exception(error);
        } catch (http::http_status_error const& e) {
            return e.status_code() == 429 || e.status_code() >= 500;
        } catch (http::transport_error const&) {
            return true;
        } catch (...) {
            return false;
        }
    }

    static aya::task<answer> ask(ai_api_client* self, std::string model, std::string prompt) {
        http::response const response = co_await self->client_.request(question(model, prompt, false));
        response.raise_for_status();
        json const data = json::parse(response.text());
        co_return answer{model, data.at("choices").at(0).at("message").at("content"), data.at("usage").at("total_tokens"),
                         std::chrono::duration<double, std::milli>(response.elapsed()).count()};
    }

    aya::semaphore at_once_{5};
    http::client client_;
};

void show(aya::outcome<answer> const& outcome) {
    try {
        answer const& a = outcome.value();
        fmt::print("{}: \"{}\" ({} tokens, {:.0f} ms)\n", a.model, a.content, a.tokens_used, a.latency_ms);
    } catch (std::exception const& e) {
        fmt::print("failed: {}\n", e.what());
    }
}

aya::task<> ask_around(std::string base_url, std::string key) {
    ai_api_client api(base_url, key);
    std::vector<std::string> const models = {"gpt-4o", "claude", "busy", "slow", "wrong"};
    fmt::print("--- several models\n");
    for (auto const& outcome : co_await api.call_multiple_models("Hello?", models))
        show(outcome);

    fmt::print("--- a batch\n");
    std::vector<std::string> prompts;
    for (int i = 0; i < 25; ++i)
        prompts.push_back(fmt::format("prompt {}", i));
    int tokens = 0;
    for (auto const& outcome : co_await api.batch_process("gpt-4o", prompts, 10, 100ms))
        tokens += outcome.value().tokens_used;
    fmt::print("{} prompts, {} tokens\n", prompts.size(), tokens);

    fmt::print("--- a stream\n");
    auto pieces = api.stream("gpt-4o", "Count");
    while (auto piece = co_await pieces.next())
        fmt::print("{}|", *piece);
    fmt::print("\n");
}

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print(stderr, "usage: ai_api_client BASE_URL\n");
        return 2;
    }
    char const* const key = std::getenv("API_KEY");
    aya::run(ask_around(argv[1], key != nullptr ? key : "none"));
}
