"""A server for tests with the interfaces of vLLM and SGLang, on a model of transformers.

It owes nothing to the library's scorers: images are decoded, go through the processor, and one plain forward gives all
logits. `fault`, told the number of each request, makes it misbehave."""
import base64
import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch
from PIL import Image

KNOWN = {"model", "messages", "max_tokens", "temperature", "top_p", "n", "logprobs", "top_logprobs"}  # of OpenAI


class ModelServer:
    "`tells` says what it reveals: prompt (vLLM), input (SGLang), top."
    def __init__(self, model, tells=("prompt", "top"), software="vllm", alias=None, fault=lambda k: None, prefill=True, strict=False,
                 key=None, max_choices=1000, choices=True, tokenizer=None, fingerprint="f1", names=True):
        self.model, self.tells, self.software, self.name, self.fault = model, tells, software, alias or model.name, fault
        self.prefill, self.strict, self.key, self.max_choices, self.choices = prefill, strict, key, max_choices, choices
        self.tokenizer, self.fingerprint, self.names = tokenizer or model.tokenizer, fingerprint, names
        self.lock, self.requests, self.seen, self.most, self.now, self.images = threading.Lock(), 0, [], 0, 0, []

    def start(self):
        handler = type("Handler", (_Handler,), dict(server_model=self))
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        return self

    def stop(self):
        self.http.shutdown()
        self.http.server_close()

    def __enter__(self): return self.start()
    def __exit__(self, *error): self.stop()

    @torch.no_grad()
    def logits(self, text, images, more=()):
        "Logits at every position, and the ids that the processor makes."
        processor = self.model.processor
        x = dict(processor(images=images, text=[text], return_tensors="pt", add_special_tokens=False))
        ids = x.pop("input_ids")
        n = ids.shape[1]
        ids = torch.cat([ids, torch.tensor([list(more)], dtype=ids.dtype)], 1)
        x = {k: v for k, v in x.items() if k != "attention_mask"}
        if "mm_token_type_ids" in x: x["mm_token_type_ids"] = torch.nn.functional.pad(x["mm_token_type_ids"], (0, len(more)))
        return self.model.model(input_ids=ids, attention_mask=torch.ones_like(ids), **x).logits[0].float(), ids[0].tolist(), n

    def write(self, turns, said):
        turns = [dict(t) for t in turns]
        processor = self.model.processor
        if said is None: return processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        turns.append(dict(role="assistant", content=[dict(type="text", text=said)]))
        return processor.apply_chat_template(turns, continue_final_message=True, tokenize=False)

    def token(self, i): return self.tokenizer.decode([i])

    def chat(self, body):
        if self.strict and set(body) - KNOWN: raise Refusal(400, f"unknown fields: {sorted(set(body) - KNOWN)}")
        if body["model"] != self.name: raise Refusal(404, f"the model {body['model']!r} does not exist")
        wants_top = body.get("logprobs")
        if wants_top and "top" not in self.tells: raise Refusal(400, "logprobs are not supported")
        if body.get("prompt_logprobs") is not None and "prompt" not in self.tells and self.strict: raise Refusal(400, "prompt_logprobs?")
        if body.get("n", 1) > self.max_choices: raise Refusal(400, f"n must be at most {self.max_choices}")
        messages, said = list(body["messages"]), None
        if messages[-1]["role"] == "assistant":
            goes_on = body.get("continue_final_message") or messages[-1].get("prefix")
            last = messages.pop()
            said = last["content"] if self.prefill and goes_on else None
        turns, images = read_turns(messages)
        self.images.append(images)
        text = self.write(turns, said)
        with self.lock:
            logits, ids, _ = self.logits(text, images)
            logs = logits.log_softmax(-1)
            rows = [None] + [{str(i): dict(logprob=float(logs[k, i]))} for k, i in enumerate(ids[1:])]
            choices = self.speak(text, images, logs, body)
        tells_ids = self.software == "vllm"
        out = dict(id="x", object="chat.completion", model=self.name, system_fingerprint=self.fingerprint, choices=choices,
                   usage=dict(prompt_tokens=len(ids), completion_tokens=sum(len(c["token_ids"]) for c in choices)))
        if body.get("prompt_logprobs") is not None and "prompt" in self.tells: out["prompt_logprobs"] = rows
        if body.get("return_token_ids") and tells_ids: out["prompt_token_ids"] = ids
        else:
            for c in choices: del c["token_ids"]
        return out

    def speak(self, text, images, first, body):
        "Choices: greedy, or samples of up to `max_tokens` tokens."
        stops, choices = self.model.stop_ids, []
        draws = torch.Generator().manual_seed(self.requests)
        for _ in range(body.get("n", 1) if self.choices else 1):
            said, steps, logs = [], [], first
            while len(said) < body["max_tokens"]:
                last = logs[-1]
                pick = int(last.argmax()) if body.get("temperature") == 0 else int(torch.multinomial(last.exp(), 1, generator=draws))
                steps.append((pick, last))
                said.append(pick)
                if pick in stops: break
                if len(said) < body["max_tokens"]: logs = self.logits(text, images, said)[0].log_softmax(-1)
            ended = said[-1] in stops
            words = self.tokenizer.decode([i for i in said if i not in stops])
            choice = dict(index=len(choices), message=dict(role="assistant", content=words), finish_reason="stop" if ended else "length", token_ids=said)
            if body.get("logprobs"): choice["logprobs"] = dict(content=[self.step(i, l, body) for i, l in steps])
            choices.append(choice)
        return choices

    def step(self, i, logs, body):
        name = (lambda t: f"token_id:{t}") if body.get("return_tokens_as_token_ids") else self.token
        ids = logs.topk(body.get("top_logprobs") or 1).indices.tolist()
        if self.software == "vllm" and i not in ids: ids.append(i)  # vLLM lists what it has sampled, too
        return dict(token=name(i), logprob=float(logs[i]), top_logprobs=[dict(token=name(t), logprob=float(logs[t])) for t in ids])

    def generate(self, body):
        if "input" not in self.tells: raise Refusal(404, "not found")
        images = [decode(url) for url in body["image_data"]]
        with self.lock: logits, ids, _ = self.logits(body["text"], images)
        logs, start = logits.log_softmax(-1), body["logprob_start_len"]
        rows = [[None if k == 0 else float(logs[k - 1, i]), i, None] for k, i in enumerate(ids)][start:]
        if rows: rows[0][0] = None  # the first that is asked for has none
        return dict(text="", meta_info=dict(prompt_tokens=len(ids), completion_tokens=1, input_token_logprobs=rows))


class Refusal(Exception): pass


def decode(url): return Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB")


def read_turns(messages):
    turns, images = [], []
    for m in messages:
        parts = m["content"] if isinstance(m["content"], list) else [dict(type="text", text=m["content"])]
        images += [decode(p["image_url"]["url"]) for p in parts if p["type"] == "image_url"]
        turns.append(dict(role=m["role"], content=[dict(type="image") if p["type"] == "image_url" else p for p in parts]))
    return turns, images


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass

    def do_GET(self):
        s = self.server_model
        if self.path == "/v1/models" and s.names: return self.send(200, dict(data=[dict(id=s.name, owned_by=s.software, root=s.name)]))
        if self.path == "/version" and s.software == "vllm": return self.send(200, dict(version="0.0-test"))
        if self.path == "/get_server_info" and s.software == "sglang": return self.send(200, dict(version="0.0-test"))
        self.send(404, dict(error="not found"))

    def do_POST(self):
        s = self.server_model
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if s.key and self.headers.get("authorization") != f"Bearer {s.key}":
            return self.send(401, dict(error=f"wrong key {self.headers.get('authorization')}"))
        call = {"/v1/chat/completions": s.chat, "/generate": s.generate}.get(self.path)
        if self.path == "/tokenize" and s.software == "vllm":
            return self.send(200, dict(tokens=s.tokenizer.encode(body["prompt"], add_special_tokens=False)))
        if call is None: return self.send(404, dict(error="not found"))
        with threading.Lock():
            s.requests += 1
            number = s.requests
        s.seen.append(body)
        s.now += 1
        s.most = max(s.most, s.now)
        try:
            fault = s.fault(number)
            if fault == "drop": return self.drop()
            if isinstance(fault, tuple): return self.send(*fault)
            if isinstance(fault, float): time.sleep(fault)
            try: answer = call(body)
            except Refusal as e: return self.send(e.args[0], dict(error=dict(message=e.args[1])))
            if callable(fault): answer = fault(answer)
            data = json.dumps(answer).encode()
            if fault == "truncate": return self.truncated(data)
            if fault == "garble": data = data[:len(data)//2] + b"\xff\x00}{" + data[len(data)//2:]
            self.send(200, data)
        finally: s.now -= 1

    def drop(self):
        self.close_connection = True
        self.connection.close()

    def truncated(self, data):
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:len(data)//2])
        self.close_connection = True

    def send(self, status, content, headers=()):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for k, v in headers: self.send_header(k, v)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        try: self.wfile.write(data)
        except OSError: pass
