/**
 * A process for the audit's tests: opens the folder it is given and appends decisions until it is
 * killed, printing the number of each once it may be acted on.
 */
import { createAudit } from '../../src/audit/index.ts';
import { createHealth, silentLogger, systemClock } from '../../src/core/index.ts';
import { NODE, decision } from './arrange-entries.ts';

const [folder = '', sync = 'batch'] = process.argv.slice(2);
const audit = createAudit(
  { identity: NODE, clock: systemClock, logger: silentLogger, health: createHealth() },
  {
    folder,
    sync: sync === 'always' ? 'always' : 'batch',
    checkpointEntries: 20,
    segmentBytes: 20_000,
  },
);
await audit.start();
process.stdout.write('open\n');
const caller = async (first: number): Promise<void> => {
  for (let number = first; ; number += 4) {
    await audit.append(decision(number));
    process.stdout.write(`${number}\n`);
  }
};
await Promise.all([0, 1, 2, 3].map(caller));
