"""A registry on loopback that offers one package, as the npm client asks for it."""

import base64
import hashlib
import io
import json
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = "onnxruntime-web"


def packed(files):
    """A package's archive: {path in it: bytes}."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@contextmanager
def offering(version, archive):
    """What to set in the environment so that npm asks this registry; it offers `archive` (bytes), or nothing (None)."""

    class Registry(BaseHTTPRequestHandler):
        def log_message(self, *words):
            pass

        def do_GET(self):
            base = f"http://127.0.0.1:{self.server.server_port}"
            if archive is None:
                self.send_error(404)
            elif self.path.endswith(".tgz"):
                self.answer(archive)
            else:
                hashed = base64.b64encode(hashlib.sha512(archive).digest()).decode()
                dist = {"tarball": f"{base}/{NAME}/-/{NAME}-{version}.tgz", "integrity": f"sha512-{hashed}"}
                known = {"name": NAME, "version": version, "dist": dist}
                listed = {"name": NAME, "dist-tags": {"latest": version}, "versions": {version: known}}
                self.answer(json.dumps(listed).encode())

        def answer(self, content):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield {
            "npm_config_registry": f"http://127.0.0.1:{server.server_port}/",
            "npm_config_fetch_retries": "0",
            "NO_PROXY": "127.0.0.1",
        }
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
