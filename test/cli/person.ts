/** A person at the terminal of this process, for commands that ask before they change something. */
import { PassThrough, Writable } from 'node:stream';
import { onTestFinished } from 'vitest';
import { TERMINAL } from '../../src/cli/terminal/questions/ask.ts';

/** The end of a question, e.g. `[no/yes] `. */
const ASKED = /\[\w+(?:\/\w+)+\] $/;

/**
 * Seats a person there until the test has finished, who types one of `answers` at each question; `meanwhile` is what
 * happens before. Without answers nobody comes.
 */
export function seatPerson(
  answers: readonly string[],
  meanwhile: () => Promise<unknown> = () => Promise.resolve(),
): void {
  if (answers.length === 0) return;
  const left = [...answers];
  const input = new PassThrough();
  const types = async (): Promise<void> => {
    await meanwhile();
    input.write(`${left.shift() ?? ''}\n`);
  };
  const output = new Writable({
    write(chunk: Buffer, _, done) {
      if (ASKED.test(chunk.toString())) types().catch((error: Error) => output.destroy(error));
      done();
    },
  });
  const before = { ...TERMINAL };
  const isTTY = true;
  Object.assign(TERMINAL, {
    input: Object.assign(input, { isTTY }),
    output: Object.assign(output, { isTTY }),
  });
  onTestFinished(() => void Object.assign(TERMINAL, before));
}
