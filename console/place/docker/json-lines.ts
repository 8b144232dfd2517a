/** What the engine streams: one JSON object a line. */
export async function* jsonLines<T>(body: NodeJS.ReadableStream): AsyncGenerator<T> {
  let rest = '';
  body.setEncoding('utf8');
  for await (const chunk of body) {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as T;
  }
}
