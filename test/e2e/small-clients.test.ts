/** The clients of `examples/clients`, as somebody copies them: a script in Python, and a web page. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { runInNewContext } from 'node:vm';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NodeClient } from '../../src/cli/node/client.ts';
import { wholeNodes } from '../fixtures/whole-nodes.ts';
import { eventually } from './support.ts';
import { hasProgram } from '../../sim/has-program.ts';

const CLIENTS = resolve(import.meta.dirname, '../../examples/clients');
const PLAIN = resolve(import.meta.dirname, '../fixtures/servers/plain.mjs');
/** Where the page is served from. */
const ORIGIN = 'http://127.0.0.1:8000';

const nodes = wholeNodes('clients');
let operator: NodeClient;
let url: string;

beforeAll(async () => {
  const log = join(await nodes.root(), 'log');
  const plain = { command: process.execPath, args: [PLAIN, '--era', 'legacy', '--log', log] };
  const alice = await nodes.start(
    { name: 'alice', http: { port: 0, allowedOrigins: [ORIGIN] }, mcpServers: { plain } },
    { ip: '10.7.0.1' },
  );
  ({ operator } = alice);
  url = new URL(alice.node.status().endpoints.url ?? '').origin;
});

const keyFor = async (name: string, ...scopes: readonly string[]): Promise<string> => {
  const made = await operator.builtin<{ readonly key: string }>('key_create', {
    name,
    scopes,
  });
  return made.key;
};

const hasPython = hasProgram('python3') !== undefined;
if (!hasPython) process.stderr.write('left out: there is no python3 to run call.py with\n');

describe.runIf(hasPython)('call.py', () => {
  interface Ended {
    readonly code: number;
    readonly stdout: string;
    readonly stderr: string;
  }
  const call = (key: string, ...words: string[]): Promise<Ended> => callAt(url, key, ...words);
  const callAt = (to: string, key: string, ...words: string[]): Promise<Ended> =>
    new Promise((done) => {
      const env = { ...process.env, STARLING_KEY: key, STARLING_URL: to };
      execFile('python3', [join(CLIENTS, 'call.py'), ...words], { env }, (error, stdout, stderr) =>
        done({ code: Number(error?.code ?? 0), stdout, stderr }),
      );
    });

  it('calls a tool, and prints what it gave', async () => {
    const key = await keyFor('script', 'tool:plain/*');
    await eventually(
      'the server is there',
      () => operator.tools(),
      (tools) => tools.some(({ name }) => name === 'plain__pid'),
    );
    expect(await call(key, 'plain__pid')).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^\d+\n$/) as string,
      stderr: '',
    });
  });

  it('says why a call was refused', async () => {
    const key = await keyFor('narrow', 'tool:plain/note');
    const { code, stderr } = await call(key, 'plain__pid');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^40[34]: .*pid/);
    expect((await call('starling_wrong', 'plain__pid')).stderr).toMatch(/^401: /);
  });

  it('says how it is used where the key or the tool is left out, and that nobody answers', async () => {
    const usage = { code: 2, stdout: '', stderr: expect.stringMatching(/^Calls a tool of a node/) };
    expect(await call('', 'plain__pid')).toEqual(usage);
    expect(await call('starling_key')).toEqual(usage);
    expect(await call('starling_key', 'plain__pid', '{}', 'more')).toEqual(usage);
    const nobody = 'http://127.0.0.1:1';
    expect(await callAt(nobody, 'starling_key', 'plain__pid')).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^no answer from http:\/\/127\.0\.0\.1:1: .*refused/) as string,
    });
  });
});

describe('ask-agent.html', () => {
  it('asks an agent, and shows the answer as a text', async () => {
    const key = await keyFor('page', 'tool:starling/agent_message', 'agent:reviewer');
    await operator.builtin('agent_announce', { name: 'reviewer' });
    const said = askFromPage({ url, key, agentId: 'reviewer', message: 'how is it?' });
    const { messages } = await operator.builtin<{
      readonly messages: readonly { readonly id: string }[];
    }>('agent_inbox', { name: 'reviewer', timeout_s: 30 });
    const inReplyTo = messages[0]?.id ?? '';
    await operator.builtin('agent_message', {
      type: 'response',
      inReplyTo,
      message: '<b>fine</b>',
    });
    expect(await said).toBe('"<b>fine</b>"');
  });

  it('shows why the agent could not be asked', async () => {
    const key = await keyFor('other', 'tool:starling/agent_message');
    const fields = { url, key, agentId: 'nobody', message: 'x' };
    expect(await askFromPage(fields)).toContain('nobody');
  });

  it('is let in by its origin, as a browser asks before', async () => {
    const ask = (origin: string): Promise<Response> =>
      fetch(`${url}/mcp/tools/starling__agent_message`, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type',
        },
      });
    const answer = await ask(ORIGIN);
    expect(answer.ok).toBe(true);
    expect(answer.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    expect(answer.headers.get('access-control-allow-headers')).toMatch(
      /authorization.*content-type|content-type.*authorization/i,
    );
    expect((await ask('http://127.0.0.1:9')).ok).toBe(false);
  });
});

/** Runs the script of the page with the form filled in, and its requests sent from its origin; gives what it shows. */
async function askFromPage(fields: Readonly<Record<string, string>>): Promise<string> {
  const html = await readFile(join(CLIENTS, 'ask-agent.html'), 'utf8');
  const [, script = ''] = /<script>([^]*)<\/script>/.exec(html) ?? [];
  const shown = { textContent: '' };
  let submit: ((event: object) => Promise<void>) | undefined;
  const form = { addEventListener: (_: string, listener: typeof submit) => (submit = listener) };
  runInNewContext(script, {
    document: { querySelector: (what: string) => (what === 'form' ? form : shown) },
    FormData: class {
      *[Symbol.iterator](): Iterator<unknown> {
        yield* Object.entries(fields);
      }
    },
    fetch: (to: string, init: RequestInit) =>
      fetch(to, { ...init, headers: { ...(init.headers as object), origin: ORIGIN } }),
  });
  await submit?.({ preventDefault: () => undefined, target: form });
  return shown.textContent;
}
