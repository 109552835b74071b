/**
 * `npm run bench [-- mesh|gateway] [--json] [--check]`: without a part, all of them. Tables for people,
 * or one JSON object; with `--check` the exit code is 1 when a bar is not cleared.
 */
import { parseArgs } from 'node:util';
import { benchGateway } from './gateway.ts';
import { benchMesh } from './mesh.ts';

const PARTS: readonly string[] = ['mesh', 'gateway'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, check: { type: 'boolean' } },
});
const unknown = positionals.find((part) => !PARTS.includes(part));
if (unknown === undefined) await run(positionals.length === 0 ? PARTS : positionals);
else {
  process.stderr.write(`no part is called ${unknown}; parts: ${PARTS.join(', ')}\n`);
  process.exitCode = 2;
}

async function run(parts: readonly string[]): Promise<void> {
  const print = (text: string): void => {
    if (values.json !== true) process.stdout.write(text);
  };
  const mesh = parts.includes('mesh') ? await benchMesh(print) : undefined;
  const gateway = parts.includes('gateway') ? await benchGateway(print) : undefined;
  if (values.json === true) process.stdout.write(`${JSON.stringify({ mesh, gateway })}\n`);
  const missed = gateway?.bars.some((bar) => !bar.pass) ?? false;
  if (values.check === true && missed) process.exitCode = 1;
}
