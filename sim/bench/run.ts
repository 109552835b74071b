/**
 * `npm run bench [-- mesh|gateway|guard] [--json] [--check]`: without a part, all of them. Tables for people,
 * or one JSON object; with `--check` the exit code is 1 when a bar is not cleared.
 */
import { parseArgs } from 'node:util';
import { benchGateway } from './gateway.ts';
import { benchGuard } from './guard.ts';
import { benchMesh } from './mesh.ts';

const PARTS: readonly string[] = ['mesh', 'gateway', 'guard'];

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
  const guard = parts.includes('guard') ? await benchGuard(print) : undefined;
  if (values.json === true) process.stdout.write(`${JSON.stringify({ mesh, gateway, guard })}\n`);
  const bars = [...(gateway?.bars ?? []), ...(guard?.bars ?? [])];
  const missed = bars.some((bar) => !bar.pass);
  if (values.check === true && missed) process.exitCode = 1;
}
