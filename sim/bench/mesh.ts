/**
 * What a tool call through two peers costs, against the same call made directly to
 * the same server over stdio and over Streamable HTTP; always the official SDK's client, always in
 * one run, as ratios. Rounds are interleaved, so that a busy machine is busy for all.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { connect, connectHttp, connectStdio, textOf } from '../client.ts';
import { startProcess } from '../process.ts';
import type { NodeProcess } from '../process.ts';
import { UNLIMITED } from '../limits.ts';
import { percentile } from '../report.ts';
import { cpuUs } from './cpu.ts';
import type { MeshSize } from './size.ts';
import { sendInTurn } from '../send-in-turn.ts';
import { sessionFetch } from '../session-fetch.ts';

const LISTED_TIMEOUT_MS = 20_000;

const cli = fileURLToPath(new URL('./cli.js', import.meta.url));
const server = fileURLToPath(new URL('./sim-server.js', import.meta.url));

/** One way to reach the same tool. */
interface Path {
  readonly title: string;
  readonly client: Client;
  readonly tool: string;
  /** Processes whose CPU is the relay's. */
  readonly relays: readonly number[];
}

/** One round of one path. */
interface Sample {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU of all relaying processes together, µs a call. */
  readonly relayUs: number | undefined;
}

async function measure(path: Path, concurrency: number, durationMs: number): Promise<Sample> {
  const latencies: number[] = [];
  const cpuBefore = cpuUs(path.relays);
  const begin = performance.now();
  const end = begin + durationMs;
  const caller = async (): Promise<void> => {
    while (performance.now() < end) {
      const from = performance.now();
      const result = await path.client.callTool(
        { name: path.tool, arguments: { message: 'hello world' } },
        undefined,
        { timeout: 30_000 },
      );
      if (textOf(result) !== 'hello world') throw new Error(`${path.title}: ${textOf(result)}`);
      latencies.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  const elapsedMs = performance.now() - begin;
  const cpuAfter = cpuUs(path.relays);
  const relayUs =
    cpuBefore === undefined || cpuAfter === undefined
      ? undefined
      : (cpuAfter - cpuBefore) / latencies.length;
  return {
    perSecond: (latencies.length / elapsedMs) * 1000,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    relayUs,
  };
}

function median(samples: readonly Sample[]): Sample {
  const of = (pick: (sample: Sample) => number): number => percentile(samples.map(pick), 0.5);
  const cpu = samples.flatMap((sample) => (sample.relayUs === undefined ? [] : [sample.relayUs]));
  return {
    perSecond: of((sample) => sample.perSecond),
    p50Ms: of((sample) => sample.p50Ms),
    p99Ms: of((sample) => sample.p99Ms),
    relayUs: cpu.length === 0 ? undefined : percentile(cpu, 0.5),
  };
}

function cell(text: string, width: number): string {
  return text.padStart(width);
}

function renderTable(concurrency: number, rows: readonly (readonly [Path, Sample])[]): string {
  const base = (title: string): number =>
    rows.find(([path]) => path.title === title)?.[1].perSecond ?? Number.NaN;
  const stdio = base('direct stdio');
  const http = base('direct HTTP');
  const out = [
    `${concurrency} concurrent`.padEnd(26) +
      ['calls/s', 'p50 ms', 'p99 ms', '× stdio', '× HTTP', 'relay µs/call']
        .map((head) => cell(head, head.length + 3))
        .join(''),
  ];
  for (const [path, sample] of rows) {
    out.push(
      `  ${path.title}`.padEnd(26) +
        cell(sample.perSecond.toFixed(0), 10) +
        cell(sample.p50Ms.toFixed(2), 9) +
        cell(sample.p99Ms.toFixed(2), 9) +
        cell((sample.perSecond / stdio).toFixed(2), 10) +
        cell((sample.perSecond / http).toFixed(2), 9) +
        cell(sample.relayUs === undefined ? '–' : sample.relayUs.toFixed(0), 16),
    );
  }
  return `${out.join('\n')}\n\n`;
}

async function directHttp(): Promise<{ client: Client; stop: () => void }> {
  const child = spawn(process.execPath, [server, '--http'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const client = await connect(
    new StreamableHTTPClientTransport(new URL(url), { fetch: sessionFetch }),
  );
  return { client, stop: () => child.kill() };
}

async function mesh(
  root: string,
  nodes: NodeProcess[],
): Promise<{ a: NodeProcess; b: NodeProcess }> {
  const a = await startProcess({
    cli,
    root,
    name: 'owner',
    config: {
      mcpServers: { toolbox: { command: process.execPath, args: [server] } },
      limits: UNLIMITED,
    },
  });
  nodes.push(a);
  const b = await startProcess({
    cli,
    root,
    name: 'entry',
    config: { limits: UNLIMITED },
    env: { STARLING_JOIN: a.up.ticket ?? '' },
  });
  nodes.push(b);
  const granted = await a.run(['grant', 'create', b.up.peerId, '--tool', 'toolbox/*']);
  if (granted.code !== 0) throw new Error(granted.stderr);
  return { a, b };
}

async function untilListed(client: Client, tool: string): Promise<void> {
  const deadline = performance.now() + LISTED_TIMEOUT_MS;
  while (!(await client.listTools()).tools.some(({ name }) => name === tool)) {
    if (performance.now() > deadline) throw new Error(`${tool} was not listed in time`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** One path with so many calls at a time. */
export interface MeshRow extends Sample {
  readonly title: string;
  readonly concurrency: number;
}

/** Runs it; `print` hears each table when it is there. */
export async function benchMesh(
  size: MeshSize,
  print: (text: string) => void,
): Promise<readonly MeshRow[]> {
  const { rounds, roundMs, warmUpMs } = size;
  const root = await mkdtemp(join(tmpdir(), 'starling-bench-'));
  const nodes: NodeProcess[] = [];
  const measured: MeshRow[] = [];
  const cleanups: (() => unknown)[] = [];
  try {
    const { a, b } = await mesh(root, nodes);
    const relays = [a, b].map((node) => node.child.pid ?? 0);
    const stdio = await connect(
      sendInTurn(new StdioClientTransport({ command: process.execPath, args: [server] })),
    );
    const http = await directHttp();
    const overHttp = await connectHttp({
      url: b.up.endpoints.url ?? '',
      tokenFile: b.up.endpoints.tokenFile,
    });
    const overStdio = await connectStdio(cli, b.stateDir);
    cleanups.push(
      http.stop,
      () => stdio.close(),
      () => overHttp.close(),
      () => overStdio.close(),
    );
    const tool = 'owner__toolbox__echo';
    for (const client of [overHttp, overStdio]) await untilListed(client, tool);
    const paths: readonly Path[] = [
      { title: 'direct stdio', client: stdio, tool: 'echo', relays: [] },
      { title: 'direct HTTP', client: http.client, tool: 'echo', relays: [] },
      { title: 'two peers, over HTTP', client: overHttp, tool, relays },
      { title: 'two peers, over stdio', client: overStdio, tool, relays },
    ];
    print(
      `Tool call of 11 bytes, SDK client, median of ${rounds} rounds of ${roundMs} ms, Node ${process.version}\n` +
        'relay µs/call: CPU of both peers together\n\n',
    );
    for (const concurrency of size.concurrency) {
      const samples = new Map<Path, Sample[]>(paths.map((path) => [path, []]));
      for (const path of paths) await measure(path, concurrency, warmUpMs);
      for (let round = 0; round < rounds; round += 1) {
        for (const path of paths) {
          samples.get(path)?.push(await measure(path, concurrency, roundMs));
        }
      }
      const rows = [...samples].map(([path, of]) => [path, median(of)] as const);
      print(renderTable(concurrency, rows));
      measured.push(...rows.map(([{ title }, sample]) => ({ title, concurrency, ...sample })));
    }
    return measured;
  } finally {
    for (const cleanup of cleanups) await cleanup();
    await Promise.all(nodes.map((node) => node.stop()));
    await rm(root, { recursive: true, force: true });
  }
}
