"""A host of plain files on loopback, as plain as they come, and a page of the export that is open on it."""

import contextlib
import ssl
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

PAGE = "/some/where/deep/"
"""Where the exported folder lies on the host: a page must not care."""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        super().do_GET()

    def do_POST(self):
        self.server.asked.append(f"POST {self.path}")
        self.send_error(405)


@contextlib.contextmanager
def hosting(folder, certificate=None):
    """The host's address; `host.asked` lists the paths that were asked for."""
    host = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    host.asked = []
    host.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        host.socket = context.wrap_socket(host.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=host.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    host.url = f"http{'s' if certificate else ''}://127.0.0.1:{host.server_port}"
    try:
        yield host
    finally:
        host.shutdown()
        host.server_close()
        thread.join()


def opened(browser, host, query=""):
    """Go to the page, and wait until it is ready for pictures."""
    browser.get(host.url + PAGE + query)
    until(lambda: browser.execute_script("return document.documentElement.dataset.ready === 'yes'"))


def until(true, seconds=60):
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.05)
