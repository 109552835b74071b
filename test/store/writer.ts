/**
 * A process for the store's tests: opens the folder it is given and writes pairs of entries until it
 * is killed, printing the number of each pair once it is durable. With `hold` it only opens.
 */
import { silentLogger } from '../../src/core/index.ts';
import { createStore } from '../../src/store/index.ts';

const [dir = '', mode] = process.argv.slice(2);
const store = createStore({ logger: silentLogger }, { dir });
await store.start();
process.stdout.write('open\n');
const table = store.table('pairs');
const writer = async (first: number): Promise<void> => {
  for (let number = first; ; number += 8) {
    const value = Buffer.from(`value ${number}`);
    await table.batch([
      { key: `a${number}`, value },
      { key: `b${number}`, value },
    ]);
    process.stdout.write(`${number}\n`);
  }
};
if (mode === 'hold') setInterval(() => undefined, 60_000);
else await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(writer));
