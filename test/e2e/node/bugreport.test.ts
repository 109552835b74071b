/** `starling bugreport` at a real node with secrets wherever one can be: none of them is in the file. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { SERVERS, attempt, useWorld } from '../support.ts';

const world = useWorld('file');
/** Marks that stand in every secret of this test, and nowhere else. */
const MARK = /hunter\d+/;
const hunter = (n: number): string => `hunter${n}hunter${n}hunter${n}`;

it('holds versions, health, configuration, status, peers and log, and no secret', async () => {
  const node = await world.start('alice', {
    config: {
      mcpServers: {
        toolbox: { ...SERVERS.toolbox(), env: { TOKEN: hunter(1), NAMED: '${secret:VAULT}' } },
        // What stands among the arguments of a program is shown by no part of the report.
        remembers: { command: '/no/such/program', args: ['--token', hunter(10)] },
        // A server that writes its secret to standard error, and dies of it.
        broken: {
          command: process.execPath,
          args: ['-e', `console.error("bad key ${hunter(2)}"); process.exit(1)`],
          env: { API_KEY: hunter(3) },
        },
        remote: {
          url: `http://127.0.0.1:9/${hunter(4)}?token=${hunter(5)}`,
          headers: { authorization: `Bearer ${hunter(6)}` },
        },
        asks: {
          url: 'http://127.0.0.1:9/mcp',
          oauth: { grant: 'client_credentials', clientId: 'me', clientSecret: hunter(11) },
        },
      },
      agents: {
        unconfined: true,
        kinds: { bot: { command: '/no/such/program', args: [hunter(12)], env: { K: hunter(13) } } },
      },
      telemetry: {
        otlp: {
          endpoint: `http://127.0.0.1:9/${hunter(14)}`,
          headers: { 'x-api-key': hunter(15) },
        },
      },
      models: {
        providers: {
          gpu: { endpoint: 'http://127.0.0.1:9', headers: { 'x-key': hunter(7) } },
        },
      },
    },
  });
  await node.run(['secret', 'set', 'VAULT'], { stdin: hunter(8) });
  const key = await attempt(node, 'key', 'create', 'ci', '--json');
  const invite = await attempt(node, 'invite', '--json');
  const folder = await mkdtemp(join(tmpdir(), 'starling-report-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const out = join(folder, 'report.md');
  const env = { MY_PASSWORD: hunter(9) };
  const ran = await node.run(['bugreport', '--out', out], { env });
  expect([ran.code, ran.stderr]).toEqual([0, '']);
  expect(ran.stdout).toContain('read it before you pass it on');
  const text = await readFile(out, 'utf8');
  expect(text).not.toMatch(MARK);
  const { key: keyText } = JSON.parse(key.stdout) as { readonly key: string };
  const { ticket } = JSON.parse(invite.stdout) as { readonly ticket: string };
  const token = await readFile(join(node.stateDir, 'token'), 'utf8');
  for (const secret of [keyText, ticket, token.trim()]) expect(text).not.toContain(secret);
  for (const part of ['## Node', '## Health', '## Configuration', '## Status', '## Peers']) {
    expect(text).toContain(part);
  }
  expect(text).toContain('"broken"');
  expect(text).toContain('upstream is not ready');
  expect((await stat(out)).mode & 0o777).toBe(0o600);
  // A file that is there stays as it is.
  await writeFile(out, 'mine');
  const again = await attempt(node, 'bugreport', '--out', out);
  expect(again.code).toBe(2);
  expect(again.stderr).toContain('--out <file>');
  expect(await readFile(out, 'utf8')).toBe('mine');
});
