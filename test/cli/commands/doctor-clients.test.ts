/** `starling doctor` looks into clients' files: who is the operator there, and who has no name. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { clients } from '../../../src/cli/checks/clients.ts';
import { backUp } from '../../../src/cli/client-files/json-file.ts';
import { surroundings } from '../../../src/cli/client-files/mcp-clients.ts';
import { filesWith } from '../../../src/cli/client-files/token-files.ts';
import { temporaryFolder } from '../support.ts';

const TOKEN = 'the-token-of-this-node-0123456789';

let home: string;
let stateDir: string;
beforeEach(async () => {
  home = await temporaryFolder();
  stateDir = await temporaryFolder();
  await writeFile(join(stateDir, 'token'), `${TOKEN}\n`);
  vi.stubEnv('HOME', home);
  vi.stubEnv('XDG_CONFIG_HOME', '');
  vi.stubEnv('CLAUDE_CONFIG_DIR', '');
  vi.spyOn(process, 'cwd').mockReturnValue(join(home, 'work'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function write(path: string, content: unknown): Promise<string> {
  const file = join(home, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

it('a file that holds the node’s token is found, with what to do, and the token is not told', async () => {
  const file = await write('.cursor/mcp.json', {
    mcpServers: { mesh: { url: 'http://x/mcp', headers: { Authorization: `Bearer ${TOKEN}` } } },
  });
  const found = await clients.run({ stateDir });
  expect(found).toEqual([
    {
      check: 'client',
      result: 'warn',
      text: `'mesh' in ${file} holds the node's own token: that client, and its model, is the operator`,
      hint: 'starling connect cursor --http; then starling key rotate-token',
    },
  ]);
  expect(JSON.stringify(found)).not.toContain(TOKEN);
});

it('a copy that was made of such a file is found, and hidden from servers', async () => {
  const text = JSON.stringify({ mcpServers: { mesh: { headers: { a: `Bearer ${TOKEN}` } } } });
  const file = await write('.cursor/mcp.json', text);
  const copy = await backUp(file, new Date(0));
  await writeFile(file, '{}');
  expect(await clients.run({ stateDir })).toMatchObject([
    {
      result: 'warn',
      text: expect.stringContaining(`${copy} holds the node's own token`) as string,
      hint: 'starling key rotate-token; then remove the copy',
    },
  ]);
  expect(await filesWith([TOKEN], surroundings())).toEqual([copy]);
});

it.each([
  [{ command: 'starling', args: ['mcp'] }, /has no name \(--as\), and attaches as client:local/],
  [{ command: '/n/node', args: ['/o/bin/starling', 'mcp', '--state', '/s'] }, /has no name/],
  [{ command: 'starling', args: ['mcp', '--operator'] }, /attaches as the operator/],
])('%j is told', async (entry, says) => {
  await write('work/.vscode/mcp.json', { servers: { starling: entry } });
  const found = await clients.run({ stateDir });
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({
    result: 'warn',
    hint: expect.stringContaining('vscode') as string,
  });
  expect(found[0]?.text).toMatch(says);
});

it('clients with a name, other servers and files without any are no matter', async () => {
  await write('.cursor/mcp.json', {
    mcpServers: {
      starling: { command: 'starling', args: ['mcp', '--as', 'cursor'] },
      other: { command: 'npx', args: ['-y', 'mcp', 'mcp'] },
      remote: { url: 'https://example.com' },
    },
  });
  await write('.claude.json', '{ "history": [], }');
  expect(await clients.run({ stateDir: await temporaryFolder() })).toEqual([]);
});
