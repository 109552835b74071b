/** Text that is piped into a command: `--args -`, `--join -`. */
import { StarlingError } from '../../core/errors.ts';
import { tell } from './output.ts';

const BYTES_MAX = 64 * 1024 * 1024;

/** All of standard input. `what` is asked for on a terminal. @throws STARLING_LIMIT_EXCEEDED */
export async function readStdin(what: string): Promise<string> {
  if (process.stdin.isTTY) tell(`Paste ${what}, then press Enter and Ctrl-D:`);
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer | string>) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    sizeBytes += bytes.length;
    if (sizeBytes > BYTES_MAX) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `standard input has more than ${BYTES_MAX / 1024 / 1024} MiB`,
      );
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}
