/** `starling identity decrypt` */
import { PLAIN, writeKeyFile } from '../../../identity/index.ts';
import { printData, safeLine } from '../../terminal/output.ts';
import { withOwnKey } from '../../node/offline-state.ts';
import { passphraseOf } from '../../terminal/questions/passphrase.ts';
import { stateDirOf } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Writes the key without a passphrase. */
export async function run(options: CommonOptions): Promise<void> {
  const stateDir = await stateDirOf(options);
  const source = passphraseOf(process.env);
  const result = await withOwnKey(stateDir, source, async ({ path, identity, protection }) => {
    const changed = protection.isEncrypted;
    if (changed) await writeKeyFile(path, { identity, protection: PLAIN });
    return { path, peerId: identity.peerId, encrypted: false, changed };
  });
  printData(result, options.json === true, () =>
    result.changed
      ? `the key ${safeLine(result.path)} is not encrypted any more: whoever reads the file has it`
      : `the key ${safeLine(result.path)} was not encrypted`,
  );
}
