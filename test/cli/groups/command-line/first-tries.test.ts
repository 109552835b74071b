/** What somebody types who has read nothing, and what is said to that, at 80 columns. */
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { JsonObject } from '../../../../src/core/index.ts';
import { serving } from '../../fake-node.ts';
import { fakeNode, runAt, shortFolder, withHome } from '../../support.ts';

const GOLDEN = resolve(import.meta.dirname, '../../../golden/terminal');

/** A person's home, in which nothing is set up. */
async function home(): Promise<string> {
  const folder = await shortFolder();
  for (const name of ['XDG_STATE_HOME', 'XDG_CONFIG_HOME', 'STARLING_STATE_DIR', 'STARLING_NODE'])
    vi.stubEnv(name, '');
  vi.stubEnv('HOME', folder);
  onTestFinished(() => void vi.unstubAllEnvs());
  return folder;
}

/** The commands and what both streams say, as a golden file has them. */
async function said(
  commands: readonly (readonly string[])[],
  more: readonly string[] = [],
): Promise<string> {
  const shown: string[] = [];
  for (const words of commands) {
    const { code, stdout, stderr } = await runAt(80, ...words, ...more);
    const typed = words.map((word) => (/[ *?]/.test(word) ? `'${word}'` : word)).join(' ');
    shown.push(`$ starling ${typed}\n${stdout}${stderr}(ended with ${code})\n`);
  }
  return shown.join('\n').replaceAll(/^\d+\.\d+\.\d+$/gm, '0.2.0');
}

const split = (...lines: string[]): readonly (readonly string[])[] =>
  lines.map((line) => line.split(' '));

it('words of other programs, slips and half a command are told what does that', async () => {
  const folder = await home();
  const text = await said(
    split(
      'version',
      '-v',
      'logs',
      'stop',
      'join starling2abc',
      'up starling2abc',
      'up --join starling2abc def',
      'revoke 3f9c2a7e',
      'service status',
      'statsu',
      'grant create laptop',
      'grant create laptop files',
      'grant list --verbos',
      'call files__read --path=/x',
      'peers laptop',
      'up --port 4040',
      'status',
      'nodes',
      '--node lab status',
    ),
  );
  await expect(withHome(text, folder)).toMatchFileSnapshot(join(GOLDEN, 'first-tries.txt'));
});

const TOOL: JsonObject = {
  name: 'files__read_text_file',
  description: 'Reads a file.',
  inputSchema: {
    type: 'object',
    properties: { path: { type: 'string' } },
    required: ['path'],
  },
};

it('what a node has not got is said to be so, with the nearest that it has', async () => {
  const folder = await home();
  const results = { peers: { peers: [] }, grant_list: { grants: [] }, status: { upstreams: [] } };
  const { stateDir } = await fakeNode({
    parent: folder,
    answer(message, connection) {
      if (message.method === 'tools/list') return { tools: [TOOL] };
      if (message.params?.['name'] === TOOL['name'])
        return connection.fail(message['id'], { code: -32602, message: 'path: Required' });
      return serving(results)(message, connection);
    },
  });
  const text = await said(
    split(
      'peers',
      'grant list',
      'tools nope',
      'tools show files/reed_text_file',
      'call files/reed_text_file path=/x',
      'call files/read_text_file',
      'call files/read_text_file file=/x',
    ),
    ['--state', stateDir],
  );
  await expect(withHome(text, folder)).toMatchFileSnapshot(join(GOLDEN, 'not-there.txt'));
});
