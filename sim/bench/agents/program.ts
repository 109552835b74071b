/**
 * The agent of the benchmark: an MCP server on stdio that needs no library, whose tool `message` does what the message
 * says. Bare, it is what an agent is measured against. It reads and writes as the tool does that it is compared with:
 * what it can answer at once, of one chunk of input, leaves in one write.
 */
import { setTimeout as wait } from 'node:timers/promises';
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

function work(message: Work | undefined): unknown {
  if (typeof message !== 'object') return message;
  switch (message.do) {
    case 'sleep':
      return wait(message.ms, message.ms);
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

/** A promise only where the answer takes time. */
function resultOf({ method, params }: Request): object | Promise<object> {
  switch (method) {
    case 'initialize':
      return {
        protocolVersion: '2025-06-18',
        capabilities: { tools: {} },
        serverInfo: { name: 'bench-agent', version: '1.0.0' },
      };
    case 'tools/list':
      return { tools: [{ name: 'message', inputSchema: { type: 'object' } }] };
    case 'tools/call': {
      const answer = work(params?.arguments?.message);
      return answer instanceof Promise ? answer.then(resultWith) : resultWith(answer);
    }
    default:
      return {};
  }
}

function resultWith(answer: unknown): object {
  return { content: [], structuredContent: { answer } };
}

/** What answers one line at once, with its line feed. */
function answerTo(line: string): string {
  const request = JSON.parse(line) as Request;
  const { id } = request;
  if (id === undefined) return '';
  const text = (result: object): string => `${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`;
  const result = resultOf(request);
  if (!(result instanceof Promise)) return text(result);
  void result.then((later) => process.stdout.write(text(later)));
  return '';
}

let rest = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk: string) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop() ?? '';
  const out = lines.map(answerTo).join('');
  if (out !== '') process.stdout.write(out);
});
