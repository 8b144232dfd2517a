/** Services of other kinds that answer with `answer.TEXT`, and the command of an image that serves them. */
export const SERVER = `import http.server
import answer


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer.TEXT)

    do_POST = do_GET


http.server.HTTPServer(('0.0.0.0', 5001), Handler).serve_forever()
`;
export const WSGI = `import answer


def app(environ, start_response):
    start_response('200 OK', [])
    return [answer.TEXT]
`;
export const FASTAPI = `import answer
from fastapi import FastAPI

app = FastAPI()


@app.post('/score')
def run():
    return answer.TEXT
`;
export const command = (...argv: string[]) => [`CMD ${JSON.stringify(argv)}`];
