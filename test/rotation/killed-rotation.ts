/** A process that changes the key of a state folder and is killed after a step: `<folder> <step>`. */
import { silentLogger, systemClock } from '../../src/core/index.ts';
import { rotateIdentity } from '../../src/rotation/index.ts';
import { SEALED_TABLES } from '../../src/secrets/index.ts';

const [stateDir = '', last = ''] = process.argv.slice(2);

await rotateIdentity(
  {
    clock: systemClock,
    logger: silentLogger,
    sealed: SEALED_TABLES,
    done(step) {
      if (step === last) process.kill(process.pid, 'SIGKILL');
    },
  },
  { stateDir },
);
