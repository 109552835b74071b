/** Whether MCP clients of this machine are attached as clients, and not as the node's operator. */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { tokenFile } from '../../config/paths.ts';
import { messageOf } from '../../core/errors.ts';
import { isObject } from '../../core/json/value-checks.ts';
import { backupsOf, readJsonFile } from '../client-files/json-file.ts';
import { parseJsonc, valueOf } from '../client-files/jsonc.ts';
import { CLIENT_IDS, knownClient, surroundings } from '../client-files/mcp-clients.ts';
import type { McpClient } from '../client-files/mcp-clients.ts';
import { finding } from './check.ts';
import type { Check, Finding } from './check.ts';

/** Looks into the files that `starling connect` writes: those of the user, and of this folder. */
export const clients: Check = {
  name: 'client',
  async run({ stateDir, config }) {
    const token = await tokenOf(stateDir);
    const around = surroundings();
    const found = await Promise.all(
      CLIENT_IDS.map(knownClient).flatMap((client) => {
        const { projectFile } = client;
        const own = projectFile === undefined ? [] : [join(around.folder, projectFile)];
        return [client.userFile(around), ...own].map((path) => inFile(client, path, token));
      }),
    );
    const isOpen = config?.tcp.enabled === true && !config.tcp.requireToken;
    const tcp = 'over TCP every program of this machine is client:tcp (tcp.requireToken: false)';
    return [
      ...found.flat(),
      ...(isOpen
        ? [
            finding(
              'client',
              'warn',
              tcp,
              'limit it in the policy file under callers, or ask for a token',
            ),
          ]
        : []),
    ];
  },
};

async function inFile(
  client: McpClient,
  path: string,
  token: string | undefined,
): Promise<readonly Finding[]> {
  return [...(await inItself(client, path, token)), ...(await inCopies(path, token))];
}

/** Copies that `starling connect` has made of a file which held the token. */
async function inCopies(path: string, token: string | undefined): Promise<readonly Finding[]> {
  if (token === undefined) return [];
  const copies = await backupsOf(path);
  const texts = await Promise.all(copies.map((copy) => readFile(copy, 'utf8').catch(() => '')));
  return copies
    .filter((_, index) => texts[index]?.includes(token))
    .map((copy) =>
      finding(
        'client',
        'warn',
        `${copy} holds the node's own token: whatever reads it is the operator`,
        'starling key rotate-token; then remove the copy',
      ),
    );
}

async function inItself(
  client: McpClient,
  path: string,
  token: string | undefined,
): Promise<readonly Finding[]> {
  try {
    const file = await readJsonFile(path);
    if (!file.exists) return [];
    const root = valueOf(parseJsonc(file.text, path));
    const servers = isObject(root) ? root[client.key] : undefined;
    return isObject(servers)
      ? Object.entries(servers).flatMap(([name, entry]) =>
          inEntry(client, `'${name}' in ${path}`, entry, token),
        )
      : [];
  } catch (error) {
    // The message may not quote the file: it holds secrets of others.
    return [finding('client', 'warn', `${path} can't be looked into: ${messageOf(error)}`)];
  }
}

function inEntry(
  { id, http }: McpClient,
  where: string,
  entry: unknown,
  token: string | undefined,
): readonly Finding[] {
  const anew = http === undefined ? `starling connect ${id}` : `starling connect ${id} --http`;
  if (token !== undefined && JSON.stringify(entry).includes(token)) {
    const text = `${where} holds the node's own token: that client, and its model, is the operator`;
    return [finding('client', 'warn', text, `${anew}; then starling key rotate-token`)];
  }
  const args = attachArgsOf(entry);
  if (args === undefined) return [];
  if (args.includes('--operator')) {
    const text = `${where} attaches as the operator: so does whatever talks its model into something`;
    return [finding('client', 'warn', text, `unless you want that: starling connect ${id}`)];
  }
  if (args.includes('--as') || args.some((word) => word.startsWith('--as='))) return [];
  const text = `${where} has no name (--as), and attaches as client:local`;
  return [finding('client', 'warn', text, `give it one: starling connect ${id}`)];
}

/** The words after `mcp` where the entry starts `starling mcp`. */
function attachArgsOf(entry: unknown): readonly string[] | undefined {
  if (!isObject(entry)) return undefined;
  const { command, args } = entry;
  const given: readonly unknown[] = Array.isArray(args) ? args : [];
  const words = [command, ...given].filter((word): word is string => typeof word === 'string');
  const at = words.findIndex(
    (word, index) => word === 'mcp' && isStarling(words.slice(0, index).at(-1) ?? ''),
  );
  return at === -1 ? undefined : words.slice(at + 1);
}

function isStarling(word: string): boolean {
  return /^(starling(\.(cmd|exe|js))?|cli\.js|main\.ts)$/.test(
    basename(word.replaceAll('\\', '/')),
  );
}

async function tokenOf(stateDir: string): Promise<string | undefined> {
  try {
    const text = (await readFile(tokenFile(stateDir), 'utf8')).trim();
    return text === '' ? undefined : text;
  } catch (error) {
    // A node that never started has none; what is wrong with the folder, another check tells.
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}
