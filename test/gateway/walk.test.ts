/**
 * The walk of a tool call in docs/architecture.md against what really runs: V8 tells which functions of which
 * files one call enters, from a client's POST at one node to the process of a server at another.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { dirname, join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { startAudit } from '../audit/arrange.ts';
import { BUILT_SOURCES } from '../built-sources.ts';
import { http, startPair, useCleanup } from './support/gateways.ts';
import type { TestNode } from './support/gateways.ts';

useCleanup();

const ROOT = resolve(import.meta.dirname, '../..');
const VERSION = '2025-11-25';

/** Asks the node's HTTP endpoint as a client with a session does. */
async function clientOf(
  node: TestNode,
): Promise<(method: string, params: object) => Promise<string>> {
  let count = 0;
  let headers = {};
  const post = async (method: string, params: object): ReturnType<typeof http> => {
    count += 1;
    const body = JSON.stringify({ jsonrpc: '2.0', id: count, method, params });
    return http(node, { method: 'POST', path: '/mcp', headers, body });
  };
  const begun = await post('initialize', {
    protocolVersion: VERSION,
    capabilities: {},
    clientInfo: { name: 'walker', version: '1' },
  });
  headers = {
    'mcp-session-id': String(begun.headers['mcp-session-id']),
    'mcp-protocol-version': VERSION,
  };
  return async (method, params) => (await post(method, params)).body;
}

/** Files below `src`, without `.ts`, of which a function runs while `work` does. */
async function filesRun(work: () => Promise<unknown>): Promise<readonly string[]> {
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
    await work();
    const { result } = await session.post('Profiler.takePreciseCoverage');
    const paths = result.flatMap(({ url, functions }) => {
      const path = url.replace('file://', '');
      const ran = functions.flatMap(({ functionName, ranges: [range] }) =>
        functionName !== '' && range !== undefined && range.count > 0 ? [range.startOffset] : [],
      );
      if (ran.length === 0) return [];
      return BUILT_SOURCES.test(path) ? ran.map(sourceIn(path)) : [path];
    });
    const root = `${join(ROOT, 'src')}/`;
    return [...new Set(paths)]
      .filter((path) => path.startsWith(root))
      .map((path) => path.slice(root.length, -'.ts'.length));
  } finally {
    session.disconnect();
  }
}

/** Which source stands at an offset of a file that was built of many: the bundler writes its name before each. */
function sourceIn(path: string): (offset: number) => string {
  const text = readFileSync(path, 'utf8');
  const regions = [...text.matchAll(/^\/\/ ((?:src|test)\/\S+\.ts)$/gm)].map(
    ({ index, 1: file = '' }) => ({
      index,
      file: join(ROOT, file),
    }),
  );
  return (offset) => regions.findLast(({ index }) => index <= offset)?.file ?? path;
}

/** Files below `src`, without `.ts`. */
const SOURCES = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.startsWith('core/'))
  .map((name) => name.slice(0, -'.ts'.length));

/** The whole path that the page means by a name in a step of `folder`; a name that may be several is none. */
function pathOf(name: string, folder: string): readonly string[] {
  const files = SOURCES.filter((file) => `/${file}`.endsWith(`/${name}`));
  if (files.length === 1) return files;
  return files.filter((file) => file === `${folder}/${name}`);
}

/** What the walk names, by whole paths: the steps, and with them the files that are asked on the way. */
function walk(): { readonly steps: readonly string[]; readonly named: readonly string[] } {
  const text = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8');
  const from = text.indexOf('### A tool call');
  const part = text.slice(from, text.indexOf('### A board write'));
  const steps: string[] = [];
  const named = part.split(/^(?=\d+\. `)|\n\n/m).flatMap((station) => {
    const [, step] = /^\d+\. `([^`]+)\.ts`/.exec(station) ?? [];
    if (step !== undefined) steps.push(step);
    const names = [...station.matchAll(/`([a-z0-9/-]+)(?:\.ts)?`/g)];
    return names.flatMap(([, name = '']) => pathOf(name, dirname(step ?? '')));
  });
  return { steps, named };
}

it('names every file of the rooms that a call runs through, and as a step none that it does not', async () => {
  const { audit } = await startAudit();
  const { alice, bob } = await startPair({ audit });
  await alice.grant(bob, 'files/*');
  const ask = await clientOf(bob);
  const call = (): Promise<string> =>
    ask('tools/call', { name: 'alice__files__echo', arguments: { text: 'hello' } });
  await expect.poll(call, { timeout: 60_000 }).toContain('"result"');
  const { steps, named } = walk();
  // What one call meets by chance, as a list that is fetched meanwhile, others do not meet.
  await expect
    .poll(
      async () => {
        const run = await filesRun(call);
        // The test asks for the endpoints itself, and so for that of the line transport.
        const stations = run.filter((file) => !/^core\/|\/transports\/tcp$/.test(file));
        return {
          isWhole: stations.length > 40,
          notRun: steps.filter((file) => !stations.includes(file)),
          notNamed: stations.filter((file) => !named.includes(file)),
        };
      },
      { timeout: 60_000 },
    )
    .toEqual({ isWhole: true, notRun: [], notNamed: [] });
});
