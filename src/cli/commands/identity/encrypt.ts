/** `starling identity encrypt` */
import { protectBy, writeKeyFile } from '../../../identity/index.ts';
import { printData, safeLine } from '../../terminal/output.ts';
import { withOwnKey } from '../../node/offline-state.ts';
import { newPassphrase, passphraseOf } from '../../terminal/questions/passphrase.ts';
import { stateDirOf } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

interface EncryptOptions extends CommonOptions {
  readonly newPassphraseFile?: string;
}

/** Encrypts the key; a key that is encrypted already gets another passphrase. */
export async function run(options: EncryptOptions): Promise<void> {
  const passphrase = passphraseOf(process.env);
  const stateDir = await stateDirOf(options);
  const { path, peerId, changed } = await withOwnKey(stateDir, passphrase, async (key) => {
    const { identity } = key;
    const wasEncrypted = key.protection.isEncrypted;
    // The passphrase of the environment opens an encrypted key; a plain key gets it as its new one.
    const given =
      wasEncrypted || options.newPassphraseFile !== undefined
        ? undefined
        : await passphrase.given();
    const protection = await protectBy(given ?? (await newPassphrase(options.newPassphraseFile)));
    await writeKeyFile(key.path, { identity, protection });
    return { path: key.path, peerId: identity.peerId, changed: wasEncrypted };
  });
  printData({ path, peerId, encrypted: true, changed }, options.json === true, () =>
    [
      changed
        ? `the key ${safeLine(path)} has another passphrase now`
        : `the key ${safeLine(path)} is encrypted now`,
      'keep the passphrase: without it nobody can open the key, and the node needs it at each start',
      '  → starling up asks for it; where it can not ask, set STARLING_PASSPHRASE_FILE',
      ...(changed ? [] : ['copies of the key that were made before are not encrypted']),
    ].join('\n'),
  );
}
