/**
 * The agent of the benchmark: an MCP server on stdio that needs no library, whose tool `message` does what the message
 * says. Bare, it is what an agent is measured against.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';

const STEP_BYTES = 4 * 1024 * 1024;

interface Request {
  readonly id?: string | number;
  readonly method: string;
  readonly params?: {
    readonly arguments?: { readonly message?: Work };
  };
}

/** What the program is asked to do. */
type Work =
  | string
  | { readonly do: 'sleep'; readonly ms: number }
  | { readonly do: 'count'; readonly n: number }
  | { readonly do: 'counted' }
  | { readonly do: 'eat' }
  | { readonly do: 'burn'; readonly ms: number; readonly threads: number };

let counted = 0;
let isInOrder = true;

async function work(message: Work | undefined): Promise<unknown> {
  if (typeof message !== 'object') return message;
  switch (message.do) {
    case 'sleep':
      await wait(message.ms);
      return message.ms;
    case 'count':
      isInOrder &&= message.n === counted;
      counted += 1;
      return counted;
    case 'counted':
      return { counted, isInOrder };
    case 'eat':
      return eat();
    default:
      return burn(message);
  }
}

/** Takes memory until there is no more, and says in its log how much that is. */
async function eat(): Promise<never> {
  const all: Buffer[] = [];
  for (;;) {
    all.push(Buffer.alloc(STEP_BYTES, 1));
    process.stderr.write(`rss ${process.memoryUsage.rss()}\n`);
    await wait(1);
  }
}

async function burn({ ms, threads }: { ms: number; threads: number }): Promise<number> {
  const before = process.cpuUsage();
  const from = performance.now();
  const code = `const end = Date.now() + ${ms}; while (Date.now() < end);`;
  await Promise.all(
    Array.from(
      { length: threads },
      () =>
        new Promise((resolve) => {
          new Worker(code, { eval: true }).once('exit', resolve);
        }),
    ),
  );
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / (performance.now() - from);
}

async function resultOf({ method, params }: Request): Promise<unknown> {
  switch (method) {
    case 'initialize':
      return {
        protocolVersion: '2025-06-18',
        capabilities: { tools: {} },
        serverInfo: { name: 'bench-agent', version: '1.0.0' },
      };
    case 'tools/list':
      return { tools: [{ name: 'message', inputSchema: { type: 'object' } }] };
    case 'tools/call':
      return {
        content: [],
        structuredContent: { answer: await work(params?.arguments?.message) },
      };
    default:
      return {};
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const request = JSON.parse(line) as Request;
  const { id } = request;
  if (id === undefined) return;
  void resultOf(request).then((result) =>
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`),
  );
});
