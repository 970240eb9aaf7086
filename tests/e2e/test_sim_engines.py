"""What is special in simulated TGI, SGLang and TensorRT-LLM: routes, errors, health and metrics."""

import json
import time
from pathlib import Path

from tests.e2e.test_sim_start import CHAT, TOO_LONG, Sim


def test_tgi_streams_its_own_format() -> None:
    with Sim("tgi") as sim:
        body = {"inputs": "a b c", "parameters": {"max_new_tokens": 3, "details": True}}
        whole = sim.post("/generate", body).json()
        lines = list(sim.stream("/generate_stream", body))
        either = sim.post("/", body).json()
        info = sim.get("/info").json()

    chunks = [json.loads(line[6:]) for line in lines[::2]]
    assert [chunk["index"] for chunk in chunks] == [1, 2, 3]
    assert [chunk["token"]["text"] for chunk in chunks] == ["[simulated]", " tgi", " 3.3.7"]
    assert [chunk["generated_text"] for chunk in chunks] == [None, None, "[simulated] tgi 3.3.7"]
    details = {"finish_reason": "length", "generated_tokens": 3, "input_length": 3, "seed": None}
    assert [chunk["details"] for chunk in chunks] == [None, None, details]
    assert whole["generated_text"] == "[simulated] tgi 3.3.7"
    assert whole["details"]["generated_tokens"] == len(whole["details"]["tokens"]) == 3
    assert either == whole
    assert (info["model_id"], info["version"], info["max_total_tokens"]) == ("org/weights", "3.3.7", 4096)


def test_tgi_refuses_in_its_own_words() -> None:
    flags = ("--max-input-tokens", "10", "--max-total-tokens", "20", "--max-concurrent-requests", "1")
    with Sim("tgi", *flags, env={"SIM_TPOT_SECONDS": "0.1"}) as sim:
        long = sim.post("/v1/chat/completions", TOO_LONG)
        both = sim.post("/generate", {"inputs": "a", "parameters": {"max_new_tokens": 20}})
        lines = sim.stream("/v1/chat/completions", CHAT)
        next(lines)
        busy = sim.post("/generate", {"inputs": "a"} | {"parameters": {"max_new_tokens": 2}})
        lines.close()
        seen = sim.metrics()

    text = "Input validation error: `inputs` must have less than 10 tokens. Given: 30"
    assert (long.status_code, long.json()) == (422, {"error": text, "error_type": "validation"})
    assert "`inputs` tokens + `max_new_tokens` must be <= 20. Given: 1" in both.json()["error"]
    assert (busy.status_code, busy.json()) == (
        429,
        {"error": "Model is overloaded", "error_type": "overloaded"},
    )
    assert seen['tgi_request_failure{err="validation"}'] == 2
    assert seen['tgi_request_failure{err="overloaded"}'] == 1


def test_tgi_metrics_have_no_labels_and_count_whole_answers() -> None:
    with Sim("tgi") as sim:
        sim.post("/v1/chat/completions", CHAT)
        seen = sim.metrics()

    assert seen["tgi_request_count"] == seen["tgi_request_success"] == 1
    assert seen["tgi_queue_size"] == seen["tgi_batch_current_size"] == 0
    assert seen["tgi_request_generated_tokens_sum"] == 5
    assert seen["tgi_request_input_length_sum"] == 3
    assert seen["tgi_request_mean_time_per_token_duration_count"] == 1
    assert seen['tgi_request_duration_bucket{le="0.0001"}'] == 0
    assert len([name for name in seen if name.startswith("tgi_request_duration_bucket")]) == 36


def test_sglang_refuses_in_its_own_words_and_has_metrics_only_with_the_flag() -> None:
    with Sim("sglang", "--context-length", "20") as sim:
        long = sim.post("/v1/chat/completions", TOO_LONG)
        sum_too_long = sim.post("/v1/chat/completions", {**CHAT, "max_tokens": 18})
        sim.post("/v1/chat/completions", CHAT)
        list(sim.stream("/v1/chat/completions", CHAT))
        seen = sim.metrics()

    text = "The input (30 tokens) is longer than the model's context length (20 tokens)."
    flat = {"object": "error", "message": text, "type": "BadRequestError", "param": None, "code": 400}
    assert (long.status_code, long.json()) == (400, flat)
    assert "You requested a total of 21 tokens: 3 tokens from the input" in sum_too_long.json()["message"]
    own = 'model_name="chat",engine_type="unified"'
    for streaming in ("true", "false"):
        assert seen[f'sglang:num_requests_total{{{own},is_streaming="{streaming}"}}'] == 1
        assert seen[f'sglang:generation_tokens_total{{{own},is_streaming="{streaming}"}}'] == 5
    assert seen[f"sglang:inter_token_latency_seconds_count{{{own}}}"] == 8
    path = 'endpoint="/v1/chat/completions"'
    assert seen[f'sglang:http_requests_total{{{path},method="POST"}}'] == 4
    assert seen[f'sglang:http_responses_total{{{path},status_code="400",method="POST"}}'] == 2


def test_sglang_health_takes_a_second_and_metrics_are_off_by_default() -> None:
    with Sim("sglang", env={"SIM_TTFT_SECONDS": "0.4"}) as sim:
        early = sim.get("/ready").status_code
        time.sleep(0.5)
        begun = time.monotonic()
        health = sim.get("/health").status_code
        waited = time.monotonic() - begun
        ready = sim.get("/ready").status_code

    assert (early, health, ready) == (503, 200, 200), "not ready before its own first token"
    assert 0.9 < waited < 1.5


def test_tensorrt_llm_has_prometheus_text_only_if_its_config_file_says_so(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("{enable_iter_perf_stats: true, return_perf_metrics: true}")
    with Sim("tensorrt_llm", "--config", str(config), "--max_seq_len", "20") as sim:
        sim.post("/v1/chat/completions", CHAT)
        seen = sim.metrics("/prometheus/metrics")
        iterations = sim.get("/metrics").json()
        long = sim.post("/v1/chat/completions", TOO_LONG)
    with Sim("tensorrt_llm") as bare:
        assert bare.get("/prometheus/metrics").status_code == 404
        assert bare.get("/metrics").json() == []

    own = 'model_name="chat",engine_type="pytorch"'
    assert seen[f'trtllm_request_success_total{{{own},finished_reason="length"}}'] == 1
    assert seen[f"trtllm_time_to_first_token_seconds_count{{{own}}}"] == 1
    assert iterations == [{"numActiveRequests": 0}]
    assert (long.status_code, long.json()["type"]) == (400, "BadRequestError")
