"Requests survive a server that is slow, busy or broken, and a key goes nowhere."
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from eagle_nb.core.connections import CapReached, Connection, Garbled, Refused, Unanswered, read_key, read_url


class Server:
    "`answers(k)` gives status, headers and body of the k-th request, counted from 1."
    def __init__(self, answers):
        outer = self
        self.lock, self.seen, self.headers = threading.Lock(), 0, []
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def log_message(self, *args): pass
            def do_GET(self): self.do_POST()
            def do_POST(self):
                self.rfile.read(int(self.headers.get("content-length") or 0))
                with outer.lock:
                    outer.seen += 1
                    k = outer.seen
                outer.headers.append(dict(self.headers))
                status, headers, body = answers(k)
                self.send_response(status)
                for name, value in {"content-length": len(body), **headers}.items(): self.send_header(name, str(value))
                self.end_headers()
                try: self.wfile.write(body)
                except OSError: pass
                self.close_connection = "content-length" in headers  # less than was promised
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def __enter__(self): return self
    def __exit__(self, *error):
        self.http.shutdown()
        self.http.server_close()


GOOD = (200, {}, b'{"value": 1, "usage": {"prompt_tokens": 3, "completion_tokens": 2}}')


def connect(server, **kwargs):
    c = Connection(server.url, **kwargs)
    c.waits = .01, .02
    return c


@pytest.mark.parametrize("bad", [(500, {}, b"oops"), (503, {}, b""), (429, {"retry-after": "0.01"}, b"slow down"), (408, {}, b""),
                                 (200, {}, b"{not json"), (200, {}, b'{"other": 1}'), (200, {}, b"[]"), (200, {}, b"null"), (200, {}, b"\xff\xfe"),
                                 (200, {"content-length": 500}, b'{"value"'), (200, {"content-encoding": "gzip"}, b"no gzip")],
                         ids=["500", "503", "429", "408", "no-json", "no-field", "list", "null", "bytes", "truncated", "encoding"])
def test_what_may_pass_is_asked_again(bad):
    with Server(lambda k: bad if k <= 2 else GOOD) as s:
        c = connect(s, timeout=5)
        assert c.ask("/x", {}, lambda a: a["value"]) == 1
        assert (s.seen, c.traffic.requests, c.traffic.answers, c.traffic.input_tokens) == (3, 3, 1, 3)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 501, 302])
def test_a_refusal_is_final_and_in_the_servers_words(status):
    with Server(lambda k: (status, {"location": "http://elsewhere"}, b"because of the moon")) as s:
        c = connect(s)
        with pytest.raises(Refused, match="elsewhere" if status == 302 else "because of the moon") as e: c.ask("/x", {})
        assert s.seen == 1 and e.value.status == status


def test_in_the_end_it_gives_up_and_says_why():
    with Server(lambda k: (500, {}, b"out of memory")) as s:
        c = connect(s, retries=2)
        with pytest.raises(Unanswered, match="3 tries.*out of memory.*is the server running") as e: c.ask("/x", {})
        assert s.seen == 4 and e.value.ends_run, "three tries, and a look whether anything is answered"
    with Server(lambda k: (500, {}, b"this image is too large") if k <= 3 else GOOD) as s:
        with pytest.raises(Unanswered) as e: connect(s, retries=2).ask("/x", {})
        assert not e.value.ends_run, "it is up, so that others have a chance"


def test_a_server_that_asks_for_long_patience():
    with Server(lambda k: (429, {"retry-after": "3600"}, b"")) as s:
        start = time.monotonic()
        with pytest.raises(Unanswered, match="asks us to wait 3600 s"): connect(s).ask("/x", {})
        assert s.seen == 1 and time.monotonic() - start < 5


def test_time_out():
    def late(k):
        if k == 1: time.sleep(1.5)
        return GOOD
    with Server(late) as s:
        assert connect(s, timeout=.5).ask("/x", {}, lambda a: a["value"]) == 1
        assert s.seen == 2


def test_many_come_back_in_their_order_and_side_by_side():
    most, now, lock = [0], [0], threading.Lock()
    def answer(k):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(.02*(k % 3))
        with lock: now[0] -= 1
        return GOOD
    with Server(answer) as s:
        c = connect(s, concurrency=4)
        assert c.each([lambda i=i: (c.ask("/x", {}), i)[1] for i in range(30)]) == list(range(30))
        assert 1 < most[0] <= 4 and s.seen == 30
        assert c.each([]) == []


def test_the_first_that_fails_cancels_the_others():
    with Server(lambda k: (400, {}, b"no") if k == 3 else GOOD) as s:
        c = connect(s, concurrency=2)
        found = {}
        with pytest.raises(Refused): c.each([lambda: c.ask("/x", {}, lambda a: a["value"]) for _ in range(200)], found.__setitem__)
        time.sleep(.2)
        assert s.seen < 20 and set(found.values()) == {1}


def test_the_cap_holds_with_many_at_once():
    with Server(lambda k: GOOD) as s:
        c = connect(s, concurrency=8, max_requests=20)
        with pytest.raises(CapReached, match="all 20 requests"): c.each([lambda: c.ask("/x", {}) for _ in range(100)])
        time.sleep(.1)
        assert s.seen == c.traffic.requests == 20
        c.max_requests = 21
        c.ask("/x", {})
        with pytest.raises(CapReached): c.ask("/x", {})


def test_the_rate_holds():
    with Server(lambda k: GOOD) as s:
        c, start = connect(s, concurrency=8, rate=50), time.monotonic()
        c.each([lambda: c.ask("/x", {}) for _ in range(20)])
        assert time.monotonic() - start >= 19/50


def test_a_key_comes_from_the_environment_and_goes_nowhere_else(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-secret-123")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-456")
    with Server(lambda k: GOOD if k == 1 else (401, {}, b"the key sk-secret-123 is wrong")) as s:
        c = connect(s, key_env="MY_KEY")
        c.ask("/x", {})
        assert s.headers[0]["authorization" if "authorization" in s.headers[0] else "Authorization"] == "Bearer sk-secret-123"
        with pytest.raises(Refused) as e: c.ask("/x", {})
        assert "secret" not in str(e.value) and "***" in str(e.value) and "key_env" in str(e.value)
        assert "secret" not in repr(c) + repr(vars(c))
    with Server(lambda k: GOOD) as s:
        connect(s).ask("/x", {})
        assert not {k.lower() for k in s.headers[0]} & {"authorization"}, "OpenAI's key is not for others"
    assert read_key("https://api.openai.com/v1", None) == "sk-openai-456"
    assert read_key("https://api.openai.com.evil.example/v1", None) is None
    with pytest.raises(ValueError, match="unencrypted"): read_key("http://192.0.2.1/v1", "MY_KEY")
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(ValueError, match="'MY_KEY' is not set"): Connection("https://192.0.2.1/v1", key_env="MY_KEY")


@pytest.mark.parametrize("url, why", [("127.0.0.1:8000", "begins with http"), ("ftp://host/v1", "begins with http"), ("http://", "begins with http"),
                                      ("http://me:secret@host/v1", "no key, name or query"), ("https://host/v1?key=secret", "no key, name or query")])
def test_addresses_that_are_none(url, why):
    with pytest.raises(ValueError, match=why) as e: read_url(url)
    if "secret" in url: assert "secret" not in str(e.value)


@pytest.mark.parametrize("bad", [dict(concurrency=0), dict(concurrency=True), dict(retries=-1), dict(max_requests=0), dict(timeout=0), dict(rate=-1), dict(rate=float("nan"))])
def test_settings_that_make_no_sense(bad):
    with pytest.raises(ValueError, match=next(iter(bad))): Connection("http://127.0.0.1:1/v1", **bad)


def test_garbled_is_a_reason_to_ask_again_and_other_errors_are_not():
    with Server(lambda k: GOOD) as s:
        c, tries = connect(s, retries=2), []
        def read(a):
            tries.append(1)
            raise Garbled("half an answer") if len(tries) < 3 else ValueError("another model")
        with pytest.raises(ValueError, match="another model"): c.ask("/x", {}, read)
        assert len(tries) == 3
