"""What is special in simulated vLLM: errors, models, metrics, queue."""

import time

import requests

from tests.e2e.test_sim_start import CHAT, TOO_LONG, Sim, events


def test_vllm_refuses_a_prompt_that_is_too_long_in_its_own_words() -> None:
    with Sim("vllm", "--max-model-len", "20") as sim:
        answer = sim.post("/v1/chat/completions", TOO_LONG)
        greedy = sim.post("/v1/chat/completions", {**CHAT, "max_tokens": 21})
        cut = sim.post("/v1/chat/completions", {**CHAT, "max_tokens": 20})

    text = (
        "This model's maximum context length is 20 tokens. However, your prompt contains at least 21 input "
        "tokens, which exceeds this limit even without any output tokens. "
        "Please reduce the length of the input prompt."
    )
    assert answer.status_code == 400
    assert answer.json() == {
        "error": {"message": text, "type": "BadRequestError", "param": None, "code": 400}
    }
    assert "max_tokens=21 cannot be greater than max_model_len=20." in greedy.json()["error"]["message"]
    assert cut.json()["usage"]["completion_tokens"] == 17, "prompt and answer share the length"


def test_vllm_knows_only_its_models_and_needs_flags_for_automatic_tools() -> None:
    with Sim("vllm") as sim:
        other = sim.post("/v1/chat/completions", {**CHAT, "model": "other"})
        tools = {**CHAT, "tools": [{"type": "function", "function": {"name": "find"}}]}
        automatic = sim.post("/v1/chat/completions", tools)
        missing = sim.post("/v1/embeddings", {"model": "chat", "input": "a"})

    assert other.status_code == 404
    assert other.json()["error"]["message"] == "The model `other` does not exist."
    assert automatic.status_code == 400
    assert "--enable-auto-tool-choice" in automatic.json()["error"]["message"]
    assert (missing.status_code, missing.json()) == (404, {"detail": "Not Found"})


def test_vllm_metrics_agree_with_the_usage_of_its_answers() -> None:
    with Sim("vllm", "--max-model-len", "1k") as sim:
        whole = sim.post("/v1/chat/completions", CHAT).json()["usage"]
        streamed = events(
            list(sim.stream("/v1/chat/completions", {**CHAT, "stream_options": {"include_usage": True}}))
        )[-1]["usage"]
        sim.post("/v1/chat/completions", {**CHAT, "model": "other"})
        seen = sim.metrics()
        text = sim.get("/metrics").text

    own = 'model_name="chat",engine="0"'
    assert seen[f"vllm:prompt_tokens_total{{{own}}}"] == whole["prompt_tokens"] + streamed["prompt_tokens"]
    assert seen[f"vllm:generation_tokens_total{{{own}}}"] == 10
    assert seen[f'vllm:request_success_total{{{own},finished_reason="length"}}'] == 2
    assert seen[f'vllm:request_success_total{{{own},finished_reason="abort"}}'] == 0
    assert seen[f"vllm:time_to_first_token_seconds_count{{{own}}}"] == 2
    assert seen[f"vllm:inter_token_latency_seconds_count{{{own}}}"] == 8
    assert seen[f'vllm:request_prompt_tokens_bucket{{{own},le="2.0"}}'] == 0
    assert seen[f'vllm:request_prompt_tokens_bucket{{{own},le="5.0"}}'] == 2
    assert f'vllm:request_prompt_tokens_bucket{{{own},le="2000.0"}}' not in seen, (
        "counts end at max-model-len"
    )
    path = 'handler="/v1/chat/completions",method="POST"'
    assert seen[f'http_requests_total{{{path},status="2xx"}}'] == 2
    assert seen[f'http_requests_total{{{path},status="4xx"}}'] == 1
    assert not [name for name in seen if 'handler="/metrics"' in name]
    assert "# TYPE vllm:num_requests_running gauge" in text
    assert "# TYPE vllm:request_success_total counter" in text
    assert "# TYPE vllm:time_to_first_token_seconds histogram" in text


def test_vllm_queue_shows_in_the_gauges_and_is_bounded_by_the_flag() -> None:
    flags = ("--max-num-seqs", "1", "--max-num-queued-reqs", "2")
    with Sim("vllm", *flags, env={"SIM_TPOT_SECONDS": "0.1"}) as sim:
        first, second = (sim.stream("/v1/chat/completions", CHAT) for _ in range(2))
        next(first)
        with requests.post(
            f"{sim.url}/v1/chat/completions", json={**CHAT, "stream": True}, stream=True, timeout=5
        ) as waiting:
            time.sleep(0.05)
            seen = sim.metrics()
            refused = sim.post("/v1/chat/completions", CHAT)
            rejections = sim.metrics()
            assert waiting.status_code == 200
        first.close()
        second.close()

    own = 'model_name="chat",engine="0"'
    assert seen[f"vllm:num_requests_running{{{own}}}"] == 1
    assert seen[f"vllm:num_requests_waiting{{{own}}}"] == 1
    assert seen[f'vllm:num_requests_waiting_by_reason{{{own},reason="capacity"}}'] == 1
    assert 0 < seen[f"vllm:kv_cache_usage_perc{{{own}}}"] < 0.01
    assert refused.status_code == 503
    assert refused.json()["error"]["message"].startswith("The engine is currently busy")
    reason = 'vllm:admission_rejections_total{model_name="chat",reason="max_num_queued_reqs"}'
    assert rejections[reason] == 1
