"""An HTTPS server for tests: writes what is posted to it to a file, a JSON object a line.

webhook_server.py DIR CERTIFICATE PORT [CLIENTS]

DIR/port is written when it listens; port 0 is any that is free. DIR/behaviour, where it is, says how to answer: a
status, "slow" (a byte of the answer a second) or "hang" (nothing at all). Who has no certificate that CLIENTS signed is
not served; whose it was is written as "client".
"""

import http.server
import json
import os
import ssl
import sys
import time

directory = sys.argv[1]


def behaviour():
    try:
        with open(directory + "/behaviour", encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return "204"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        client = str((self.connection.getpeercert() or {}).get("subject", ""))
        line = json.dumps({"how": behaviour(), "client": client, "headers": dict(self.headers), "body": body})
        with open(directory + "/received", "a", encoding="utf-8") as file:
            file.write(line + "\n")
        if behaviour() == "hang":
            time.sleep(60)
        if behaviour() == "slow":
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n":
                self.wfile.write(bytes([byte]))
                time.sleep(1)
        self.send_response(int(behaviour()))
        if behaviour().startswith("3"):
            self.send_header("Location", "/elsewhere")
        answer = b"no, \x1b[31mnot now" if behaviour() == "503" else b""
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[3])), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
if len(sys.argv) > 4:
    context.load_verify_locations(sys.argv[4])
    context.verify_mode = ssl.CERT_REQUIRED
server.socket = context.wrap_socket(server.socket, server_side=True)
with open(directory + "/port.new", "w", encoding="utf-8") as file:
    file.write(str(server.server_address[1]))
os.rename(directory + "/port.new", directory + "/port")
server.serve_forever()
