/** A lab and a laptop behind routers that let nothing in, as `examples/home-lab-relay` tells it. */
import { describe, it } from 'vitest';
import { createNatNetwork, namespacesMissing } from '../namespaces.ts';
import { WALK_MS, walk } from './walk.ts';

const missing = await namespacesMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

describe.skipIf(missing !== undefined)('examples/home-lab-relay', () => {
  it(
    'is followed line by line, with routers through which no hole can be made',
    () =>
      walk('home-lab-relay', {
        machines: ['vps', 'lab', 'laptop'],
        network: (hosts) => createNatNetwork(hosts, 'others'),
      }),
    WALK_MS,
  );
});
