/** Two members whose clocks are two hours apart: they connect all the same, and both are told of the clocks. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { NodeProcess } from '../../../sim/process.ts';
import { attempt, eventually, ok, peers, sees, status, ticketOf, useWorld } from '../support.ts';

const world = useWorld();
/** A minute more, so that what a heartbeat takes on its way does not make it 120 minutes. */
const HOURS_MS = 2 * 3_600_000 + 60_000;

/** Makes a whole process believe in another time, certificates of TLS included. */
async function wrongClock(offsetMs: number): Promise<string> {
  const file = join(await world.root(), 'clock.mjs');
  await writeFile(
    file,
    `const Real = Date;
     globalThis.Date = class extends Real {
       constructor(...given) { super(...(given.length === 0 ? [Real.now() + ${offsetMs}] : given)); }
       static now() { return Real.now() + ${offsetMs}; }
     };`,
  );
  return `--import=${file}`;
}

const clocksOf = async (node: NodeProcess): Promise<string> =>
  (await status(node)).warnings
    .filter(({ code }) => code === 'clock-apart')
    .map(({ text }) => text)
    .join();

it('connect with clocks two hours apart, and both sides say whose clock is where', async () => {
  const alice = await world.start('alice');
  const ticket = alice.up.ticket ?? '';
  expect(ticket.length).toBeLessThan(250);
  const bob = await world.start('bob', { args: ['--join', ticket] });
  await sees(alice, [bob]);
  await bob.stop();
  await sees(alice, [bob], 'left');
  const NODE_OPTIONS = await wrongClock(-HOURS_MS);
  const behind = await world.start('bob', { env: { NODE_OPTIONS } });
  await sees(alice, [behind]);
  await sees(behind, [alice]);
  await eventually(
    'alice is told',
    () => clocksOf(alice),
    (text) => text.includes('bob is 2h behind'),
  );
  await eventually(
    'bob is told',
    () => clocksOf(behind),
    (text) => text.includes('alice is 2h ahead'),
  );
  expect(await ok(alice, 'peers')).toContain('the clock of bob is 2h behind ours');
  const [seen] = (await peers(alice)).peers;
  expect(seen?.clockOffsetMs).toBeLessThan(-HOURS_MS + 60_000);
  const doctor = await attempt(alice, 'doctor', '--json');
  expect(doctor.stdout).toContain('the clock of bob is 2h behind ours');
  // Who would join with such a clock is told by the member what is wrong.
  const args = [
    'up',
    '--join',
    await ticketOf(alice),
    '--state',
    join(await world.root(), 'carol'),
    '--no-mdns',
  ];
  const listen = ['--listen', '/ip4/127.0.0.1/tcp/0', '--http-port', '0'];
  const refused = await world.cli([...args, ...listen], { env: { NODE_OPTIONS } });
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toMatch(
    /the clock of …\w{8}, which wants to join, is 2h behind that of …\w{8}, the member that it asked/,
  );
  expect(await ok(alice, 'status', '--json')).toMatch(
    /wants to join was refused: the clock of [\w…]+ is 2h behind ours/,
  );
});
