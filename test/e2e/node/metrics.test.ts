/** Figures of real nodes: who may read them, and Debian's Prometheus over several nodes with the rules of `config/`. */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import type { NodeProcess } from '../../../sim/process.ts';
import { upTo } from '../../long/extent.ts';
import { SERVERS, builtin, eventually, useWorld } from '../support.ts';

const RULES = resolve(import.meta.dirname, '../../../config/prometheus/alerts.yaml');
const DASHBOARD = resolve(import.meta.dirname, '../../../config/grafana/starling.json');
const NAMES = ['alice', 'bob', 'carol'].slice(0, upTo(2, 3));
const exec = promisify(execFile);
const world = useWorld('file');

/** Whether Debian's package is there: `npm run machine` installs it. */
const hasPrometheus = await exec('prometheus', ['--version']).then(
  () => true,
  () => false,
);

let nodes: readonly NodeProcess[];
/** A key of the scope `metrics` for each node. */
let keys: readonly string[];

beforeAll(async () => {
  const config = { mcpServers: { toolbox: SERVERS.toolbox() } };
  nodes = await Promise.all(NAMES.map((name) => world.start(name, { config })));
  keys = await Promise.all(nodes.map((node) => newKey(node, 'prometheus', 'metrics')));
});

async function newKey(node: NodeProcess, name: string, scope: string): Promise<string> {
  return (await builtin<{ readonly key: string }>(node, 'key_create', { name, scopes: [scope] }))
    .key;
}

function urlOf(node: NodeProcess | undefined, path: string): string {
  return new URL(path, node?.up.endpoints.url).href;
}

/** Asks a node for its figures with a key, or without one. */
function ask(node: NodeProcess | undefined, key?: string, method = 'GET'): Promise<Response> {
  const headers: Record<string, string> =
    key === undefined ? {} : { authorization: `Bearer ${key}` };
  return fetch(urlOf(node, '/metrics'), { headers, method });
}

it('are for the operator and for keys of that scope, and for nobody else', async () => {
  const [alice] = nodes;
  expect((await ask(alice)).status).toBe(401);
  expect((await ask(alice, keys[1])).status).toBe(401);
  const all = await ask(alice, alice === undefined ? '' : await newKey(alice, 'all', '*'));
  expect(all.status).toBe(403);
  expect(await all.text()).toContain('starling key create prometheus --scope metrics');
  expect((await ask(alice, keys[0], 'POST')).status).toBe(405);
  const told = await ask(alice, keys[0]);
  expect(told.status).toBe(200);
  expect(told.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  // The key opens nothing else.
  const mcp = await fetch(urlOf(alice, '/mcp/tools/toolbox__echo'), {
    method: 'POST',
    headers: { authorization: `Bearer ${keys[0]}`, 'content-type': 'application/json' },
    body: '{"message":"hello"}',
  });
  expect(await mcp.text()).not.toContain('hello');
});

it('count a call, with nothing in them that says who called what', async () => {
  const [alice] = nodes;
  const before = await figure(alice, 'starling_calls_total{kind="tool",place="here",outcome="ok"}');
  await alice?.run(['call', 'toolbox__echo', '--arg', 'message=hello']);
  const after = await figure(alice, 'starling_calls_total{kind="tool",place="here",outcome="ok"}');
  expect(after).toBeGreaterThan(before);
  expect(await figure(alice, 'starling_audit_entries_total')).toBeGreaterThan(0);
  const text = await (await ask(alice, keys[0])).text();
  for (const name of [...NAMES, 'toolbox', 'echo', alice?.up.peerId ?? '']) {
    expect(text).not.toContain(name);
  }
});

async function figure(node: NodeProcess | undefined, series: string): Promise<number> {
  const text = await (await ask(node, keys[0])).text();
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1));
}

it.runIf(hasPrometheus)(
  'are read by Prometheus, for each panel and with rules that see a node that ends',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'starling-prometheus-'));
    world.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const address = `127.0.0.1:${await freePort()}`;
    await writePrometheus(folder);
    await exec('promtool', ['check', 'config', join(folder, 'prometheus.yaml')]);
    const prometheus = startPrometheus(folder, address);
    world.defer(() => ended(prometheus));
    await eventually(
      'Prometheus reads all nodes',
      () => query(address, 'query?query=up==1'),
      ({ result }) => result?.length === NAMES.length,
    );
    await Promise.all((await panelQueries()).map((expression) => hasFigures(address, expression)));
    await nodes.at(-1)?.stop();
    const { groups = [] } = await eventually(
      'the rule sees the node that ended',
      () => query(address, 'rules'),
      (answer) => stateOf(answer, 'StarlingNodeDown') === 'pending',
    );
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    // Those that run are well: nothing else is told of.
    const others = rules.filter(
      ({ name, state }) => name !== 'StarlingNodeDown' && state !== 'inactive',
    );
    expect(others.map(({ name }) => name).filter((name) => name !== 'StarlingWarnings')).toEqual(
      [],
    );
  },
);

/** What the panels of the dashboard ask, as Grafana fills it in for all nodes. */
async function panelQueries(): Promise<readonly string[]> {
  const { panels } = JSON.parse(await readFile(DASHBOARD, 'utf8')) as {
    readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[];
  };
  return panels
    .flatMap(({ targets }) => targets.map(({ expr }) => expr))
    .map((expr) => expr.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '1m'));
}

/** Until there is something of each of the nodes, or of all together. */
async function hasFigures(address: string, expression: string): Promise<void> {
  const wanted = /by \((?!instance)/.test(expression) ? 1 : NAMES.length;
  await eventually(
    `the panel that asks for ${expression} shows something`,
    () => query(address, `query?query=${encodeURIComponent(expression)}`),
    ({ result }) => (result?.length ?? 0) >= wanted,
  );
}

/** As much of the answers of Prometheus's HTTP API as is read here. */
interface Answer {
  readonly result?: readonly unknown[];
  readonly groups?: readonly {
    readonly rules: readonly {
      readonly name: string;
      readonly state: string;
      readonly health: string;
    }[];
  }[];
}

function stateOf({ groups = [] }: Answer, rule: string): string | undefined {
  return groups.flatMap(({ rules }) => rules).find(({ name }) => name === rule)?.state;
}

async function query(address: string, path: string): Promise<Answer> {
  try {
    const answer = await fetch(`http://${address}/api/v1/${path}`);
    // 503 while it reads what it has.
    if (!answer.ok) return {};
    return ((await answer.json()) as { readonly data?: Answer }).data ?? {};
  } catch (error) {
    // It has not begun to listen.
    if (error instanceof TypeError) return {};
    throw error;
  }
}

async function writePrometheus(folder: string): Promise<void> {
  await copyFile(RULES, join(folder, 'alerts.yaml'));
  const jobs = await Promise.all(
    nodes.map(async (node, index) => {
      const file = join(folder, `${node.name}.key`);
      await writeFile(file, keys[index] ?? '', { mode: 0o600 });
      const { host } = new URL(node.up.endpoints.url ?? '');
      return {
        job_name: `starling-${node.name}`,
        authorization: { credentials_file: file },
        static_configs: [{ targets: [host] }],
      };
    }),
  );
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: ['alerts.yaml'],
    scrape_configs: jobs,
  };
  // What is JSON is YAML, too.
  await writeFile(join(folder, 'prometheus.yaml'), JSON.stringify(config));
}

function startPrometheus(folder: string, address: string): ChildProcess {
  return spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    { stdio: 'ignore' },
  );
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || !child.kill()) return;
  await once(child, 'exit');
}

/** A port that nobody has just now: Prometheus 2 does not tell which one it was given. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => void server.close(resolve));
  return port;
}
