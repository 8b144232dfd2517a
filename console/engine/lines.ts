/** Chunks of a log become lines; a line without an end in sight is cut so that memory stays bounded. */
const LONGEST = 64 * 1024;

export class LineSplitter {
  readonly #decoder = new TextDecoder('utf-8');
  #rest = '';

  /** The lines that `data` completes. */
  push(data: Uint8Array): string[] {
    const text = this.#rest + this.#decoder.decode(data, { stream: true });
    const lines = text.split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > LONGEST) {
      lines.push(this.#rest);
      this.#rest = '';
    }
    return lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  }

  /** What stands after the last line end. */
  end(): string[] {
    const rest = this.#rest + this.#decoder.decode();
    this.#rest = '';
    return rest === '' ? [] : [rest];
  }
}
