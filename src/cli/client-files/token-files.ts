/** Clients' files that hold a credential of a node. */
import { readFile, stat } from 'node:fs/promises';
import { backupsOf } from './json-file.ts';
import { CLIENT_IDS, fileOf, knownClient } from './mcp-clients.ts';
import type { Surroundings } from './mcp-clients.ts';

/** Claude Code keeps its history in the file with its servers, so it may be large. */
const SIZE_BYTES_MAX = 64 * 1024 * 1024;

/** The files of known clients, and copies of them that we made, in which one of `credentials` stands, as they are now. */
export async function filesWith(
  credentials: readonly (string | RegExp)[],
  around: Surroundings,
): Promise<readonly string[]> {
  const clients = CLIENT_IDS.map((id) => knownClient(id));
  const own = clients.flatMap((client) => [
    fileOf(client, false, around),
    ...(client.projectFile === undefined ? [] : [fileOf(client, true, around)]),
  ]);
  const paths = [...own, ...(await Promise.all(own.map(backupsOf))).flat()];
  const texts = await Promise.all(paths.map((path) => textOf(path)));
  const holds = (text: string): boolean =>
    credentials.some((one) => (typeof one === 'string' ? text.includes(one) : one.test(text)));
  return paths.filter((_, index) => holds(texts[index] ?? ''));
}

/** The text of a file; empty where nothing can be read. */
async function textOf(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    return size > SIZE_BYTES_MAX ? '' : await readFile(path, 'utf8');
  } catch {
    // Whoever can't read the file here can't read it in a server either.
    return '';
  }
}
