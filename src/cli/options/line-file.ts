/** A file of lines that a command reads whole. */
import { readFile, stat } from 'node:fs/promises';
import { StarlingError, messageOf } from '../../core/errors.ts';

const BYTES_MAX = 256 * 1024 * 1024;

/** The text of a file. @throws STARLING_USAGE where it can't be read, STARLING_LIMIT_EXCEEDED */
export async function readLineFile(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size <= BYTES_MAX) return await readFile(file, 'utf8');
  } catch (error) {
    throw new StarlingError('STARLING_USAGE', `${file} can't be read: ${messageOf(error)}`);
  }
  throw new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `${file} has more than ${BYTES_MAX / 1024 / 1024} MiB`,
  );
}
