/** Scenarios on hosts of their own: what only a network of the system can show. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { runScenario } from '../../../sim/scenario/run.ts';
import { createWorkProgress } from '../../../src/cli/terminal/progress.ts';
import { createSpaces } from '../../../sim/scenario/engines/spaces.ts';
import { longIt } from '../../long/long-it.ts';

const missing = await createSpaces(['probe'], {}).then(
  (spaces) => spaces.remove().then(() => undefined),
  (error: unknown) => String(error),
);
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function run(
  given: string,
  folder: string,
): Promise<{ readonly pass: boolean | undefined; readonly said: string }> {
  let said = '';
  const print = (text: string): void => void (said += text);
  const quiet = {
    out: join(folder, 'out'),
    json: false,
    print,
    progress: createWorkProgress({ screen: { write: print } }),
  };
  const { reports } = await runScenario({ given, ...quiet });
  return { pass: reports[0]?.pass, said };
}

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-netns-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

describe.skipIf(missing !== undefined)('the engine netns', () => {
  // The same between real hosts, without the simulator: `e2e/mesh/namespaces`.
  longIt('lets two nodes that nobody can dial call one another by way of a third', async () => {
    const { pass, said } = await run('relay-only', await temporary());
    expect(pass, said).toBe(true);
    expect(said).toContain('loss and cuts by nft');
    expect(said).toContain('calls sent 50, answered 50');
  });

  it('cuts one way of two, loses, and gives it all back', async () => {
    const spaces = await createSpaces(['a', 'b'], {});
    cleanups.push(() => spaces.remove());
    await spaces.shape('a', { loss: 0.05, rate: 10 });
    await spaces.cut('a', 'b');
    await spaces.mend('a', 'b');
    await spaces.mend('b', 'a');
    await spaces.cable('a', 'down');
    await spaces.cable('a', 'up');
    await spaces.heal();
    expect(await spaces.bytes()).toBeGreaterThanOrEqual(0);
    expect(spaces.address('b')).toBe('10.77.0.2');
  });

  it('says which delay it has, and refuses by name what the kernel lacks', async () => {
    const path = join(await temporary(), 'far.yaml');
    const text = `name: far
about: Two nodes are far from one another.
engines: [netns]
nodes: { count: 2 }
settle: 60s
links: { default: { delay: 20ms } }
after: [{ expect: known, within: 5s }]
`;
    await writeFile(path, text);
    const outcome = await run(path, await temporary()).then(
      ({ pass, said }) => `${pass} ${said}`,
      (error: unknown) => String(error),
    );
    expect(outcome).toMatch(/^true [^]*delay by netem|this kernel has no netem/);
  });
});
