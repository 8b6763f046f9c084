"""A network service with nothing in it: `network.py PORT`. Every list is empty."""
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = int(sys.argv[1])


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        parts = [part for part in self.path.split('?')[0].split('/') if part]
        if len(parts) < 2:
            links = [{'rel': 'self', 'href': 'http://127.0.0.1:%d/v2.0/' % PORT}]
            self.answer(200, {'versions': [{'id': 'v2.0', 'status': 'CURRENT', 'links': links}], 'resources': []})
        elif len(parts) == 2:
            self.answer(200, {parts[1].removesuffix('.json').replace('-', '_'): []})
        elif parts[1] == 'quotas':
            self.answer(200, {'quota': {}})
        else:
            self.do_DELETE()

    def do_DELETE(self):
        self.answer(404, {'NeutronError': {'type': 'NotFound', 'message': 'there is nothing here', 'detail': ''}})

    def log_message(self, *_):
        pass


ThreadingHTTPServer(('127.0.0.1', PORT), Handler).serve_forever()
