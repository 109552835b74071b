/** Errors of the network know peers by their keys; people know them by their names. */
import { StarlingError } from '../../core/index.ts';
import type { PeerId } from '../../core/index.ts';

/** The same error, with the name of the peer before its id; errors that do not name the peer stay as they are. */
export function namePeer<E>(
  error: E,
  { alias, peerId }: { readonly alias: string; readonly peerId: PeerId },
): E | StarlingError {
  if (!(error instanceof StarlingError) || !error.message.includes(peerId)) return error;
  if (error.message.includes(`${alias} (`)) return error;
  const { code, hint, data, cause } = error;
  const text = error.message.replace(peerId, `${alias} (${peerId})`);
  return new StarlingError(code, text, { ...(hint === undefined ? {} : { hint }), data, cause });
}
