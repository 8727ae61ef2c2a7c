"""A publisher's web server of its own origin: pages that embed report.js under a strict Content-Security-Policy."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What a page's own style may do to what is put into it.
HOSTILE = """
html { font-size: 1px }
* { color: #a00000 !important; font-size: 2px !important; letter-spacing: 20px !important; line-height: 0 !important }
button, dialog, form, label, input, textarea, p, h2, evenhand-report {
  display: none !important; position: absolute !important; left: -9999px !important; transform: scale(0) !important;
  opacity: 0 !important; visibility: hidden !important; width: 0 !important }
"""


@contextmanager
def publishing(files: Mapping[str, tuple[str, str]], policy: str) -> Iterator[str]:
    """Serves files (type and content by path) with a Content-Security-Policy; yields the origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, content = files.get(self.path, ("text/plain", ""))
            self.send_response(200 if self.path in files else 404)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
