/** `starling identity show` */
import { join } from 'node:path';
import { readKeyFacts } from '../../../identity/index.ts';
import { facts, printData } from '../../terminal/output.ts';
import { noKey } from '../../node/offline-state.ts';
import { stateDirOf } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Prints who the node is: from its key file, without its passphrase. */
export async function run(options: CommonOptions): Promise<void> {
  const path = join(await stateDirOf(options), 'key');
  const key = await readKeyFacts(path);
  if (key === undefined) throw noKey(path);
  const { did, peerId, isEncrypted } = key;
  printData({ did, peerId, encrypted: isEncrypted, path }, options.json === true, () =>
    facts([
      ['did', did],
      ['PeerId', peerId],
      ['encrypted', isEncrypted ? 'yes, with a passphrase' : 'no'],
      ['key file', path],
    ]),
  );
}
