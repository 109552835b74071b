/** A program as an agent may propose it, for tests. */
import type { z } from 'zod';
import type { PROGRAM_INPUT } from '../../src/proposals/program.ts';

/** What an agent says, before defaults are put in. */
export type SaidProgram = z.input<typeof PROGRAM_INPUT>;

/** An MCP server of a few lines, which needs nothing but Node. */
export const SERVER_TEXT = `import { createInterface } from 'node:readline';
const answer = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === 'initialize') {
    answer(id, {
      protocolVersion: params.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: 'resize', version: '1.0.0' },
    });
  }
  if (method === 'tools/list') {
    answer(id, { tools: [{ name: 'resize', description: 'Makes pictures small.', inputSchema: { type: 'object' } }] });
  }
  if (method === 'tools/call') answer(id, { content: [{ type: 'text', text: 'small' }] });
});
`;

/** Says that it proposes the server `resize`, or what `more` says of it. */
export function saidProgram(more: Partial<SaidProgram> = {}): SaidProgram {
  return {
    what: 'server',
    name: 'resize',
    command: 'node',
    args: ['src/main.mjs'],
    files: [{ path: 'src/main.mjs', text: SERVER_TEXT }],
    ...more,
  };
}
