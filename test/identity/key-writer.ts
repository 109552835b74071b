/** Writes a key again and again, with and without its passphrase, until it is killed. */
import { Secret } from '../../src/core/index.ts';
import { PLAIN, openKeyFile, protectBy, writeKeyFile } from '../../src/identity/index.ts';

const [, , path = '', passphrase = ''] = process.argv;
const secret = new Secret(passphrase);
const opened = await openKeyFile(path, {
  passphrase: { given: async () => secret, ask: async () => undefined },
});
if (opened === undefined) throw new Error('there is no key');
const sealed = await protectBy(secret, { n: 2 ** 14, r: 8, p: 1 });
for (let round = 0; ; round += 1) {
  const protection = round % 2 === 0 ? PLAIN : sealed;
  await writeKeyFile(path, { identity: opened.identity, protection });
  process.stdout.write(`${round}\n`);
}
