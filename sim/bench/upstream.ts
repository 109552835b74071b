/**
 * The MCP server behind every gateway in the benchmark: newline-delimited JSON-RPC on standard
 * streams and nothing else, so that it is never what limits a measurement. Answers of one chunk of
 * input leave in one write.
 */
import { answer } from './upstream-answers.ts';

let rest = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk: string) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop() ?? '';
  let out = '';
  for (const line of lines) out += answer(line);
  if (out !== '') process.stdout.write(out);
});
