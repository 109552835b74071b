/** Lines of a stream of bytes, as a bare relay reads them. */

const NEWLINE = 0x0a;

/** Gives what takes the chunks; `line` hears each line without its line feed, as soon as it is whole. */
export function lineReader(line: (bytes: Buffer) => void): (chunk: Buffer) => void {
  let kept: Buffer[] = [];
  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const last = chunk.subarray(start, end);
      line(kept.length === 0 ? last : Buffer.concat([...kept, last]));
      kept = [];
      start = end + 1;
    }
    if (start < chunk.length) kept.push(chunk.subarray(start));
  };
}

/** Gives what takes texts; those of one microtask leave in one `write`. */
export function joinedWrites(write: (text: string) => void): (text: string) => void {
  let queued = '';
  return (text) => {
    if (queued === '') {
      queueMicrotask(() => {
        const joined = queued;
        queued = '';
        write(joined);
      });
    }
    queued += text;
  };
}
