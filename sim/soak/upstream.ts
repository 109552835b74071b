/**
 * The MCP server behind the soak: newline-delimited JSON-RPC on standard streams. It dies on command,
 * and starts a process of its own that must die with it, called by `argv[3]`. `argv[2]` is how many tools it
 * lists besides.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const LONG_S = '86400';
const PAGE = 1000;
const BYTES_MAX = 1024 * 1024;
const SLOW_MAX_MS = 60_000;
const OWN = ['echo', 'pid', 'die', 'slow', 'waiting', 'bytes'];

interface Request {
  readonly id?: string | number;
  readonly method: string;
  readonly params?: {
    readonly name?: string;
    readonly cursor?: string;
    readonly protocolVersion?: string;
    readonly arguments?: {
      readonly message?: string;
      readonly size?: number;
      readonly ms?: number;
    };
  };
}

let waiting = 0;
const count = Number(process.argv[2] ?? 0);
const names = [...OWN, ...Array.from({ length: count }, (_, index) => `tool_${index}`)];
const description =
  'A tool of the soak, described in about as many words as tools have on average.';
const inputSchema = { type: 'object', properties: { message: { type: 'string' } } };

const [, , , mark] = process.argv;
if (mark !== undefined) spawn('sleep', [LONG_S], { argv0: mark, stdio: 'ignore' });

function send(message: object): void {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
}

function list(cursor: string | undefined): object {
  const from = Number(cursor ?? 0);
  const tools = names.slice(from, from + PAGE).map((name) => ({ name, description, inputSchema }));
  return { tools, ...(from + PAGE < names.length ? { nextCursor: String(from + PAGE) } : {}) };
}

function answer({ id, method, params }: Request): void {
  const text = (value: string): void =>
    send({ id, result: { content: [{ type: 'text', text: value }] } });
  const { message = '', size = 0, ms = 0 } = params?.arguments ?? {};
  switch (method === 'tools/call' ? params?.name : method) {
    case 'initialize':
      return send({
        id,
        result: {
          protocolVersion: params?.protocolVersion ?? '2025-11-25',
          capabilities: { tools: {} },
          serverInfo: { name: 'soak-upstream', version: '1.0.0' },
        },
      });
    case 'ping':
      return send({ id, result: {} });
    case 'tools/list':
      return send({ id, result: list(params?.cursor) });
    case 'echo':
      return text(message);
    case 'pid':
      return text(String(process.pid));
    case 'die':
      return process.exit(1);
    case 'slow':
      waiting += 1;
      setTimeout(() => text(message), Math.min(ms, SLOW_MAX_MS));
      return undefined;
    case 'waiting':
      return text(String(waiting));
    case 'bytes':
      return text(`${message} ${'x'.repeat(Math.min(size, BYTES_MAX))}`);
    default:
      return send({ id, error: { code: -32_601, message: 'no such method or tool' } });
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const request = JSON.parse(line) as Request;
  if (request.id !== undefined) answer(request);
});
process.stdin.on('end', () => process.exit(0));
