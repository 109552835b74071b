import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { builtScript } from '../../fixtures/built-script.ts';

const file = fileURLToPath(new URL('../../../sim/bench/upstream.ts', import.meta.url));

it('answers MCP requests as they come, and ends with its input', async () => {
  const child = spawn(process.execPath, [await builtScript(file)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const answers: unknown[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => answers.push(JSON.parse(line)));
  const ask = (id: number, method: string, params: unknown): string =>
    `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`;
  const call = (id: number, name: string, args: unknown): string =>
    ask(id, 'tools/call', { name, arguments: args });
  const all =
    ask(1, 'initialize', { protocolVersion: '2025-03-26' }) +
    '{"jsonrpc":"2.0","method":"notifications/initialized"}\n' +
    call(2, 'echo', { message: 'a "b" ü' }) +
    call(3, 'bytes', { size: 5 }) +
    ask(4, 'nonsense', {});
  // Cut in the middle of a line.
  child.stdin.write(all.slice(0, 100));
  child.stdin.end(all.slice(100));
  expect(await ended).toEqual([0, null]);
  const text = (value: string): unknown => ({ content: [{ type: 'text', text: value }] });
  expect(answers).toMatchObject([
    { id: 1, result: { protocolVersion: '2025-03-26', capabilities: { tools: {} } } },
    { id: 2, result: text('a "b" ü') },
    { id: 3, result: text('xxxxx') },
    { id: 4, error: { code: -32601 } },
  ]);
});
