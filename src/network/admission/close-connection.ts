/** The end of a connection that this node does not want. */
import type { Connection } from '@libp2p/interface';
import { withDeadline } from '../../core/index.ts';
import type { Clock, Logger } from '../../core/index.ts';
import { REFUSAL_LINGER_MS } from '../constants.ts';
import { peerOf } from '../peer-id.ts';

/** Closes a connection so that the peer hears of it; after a second without that. Never rejects. */
export async function closeConnection(
  components: { readonly clock: Clock; readonly logger: Logger },
  connection: Connection,
  reason: Error,
): Promise<void> {
  if (connection.status !== 'open') return;
  try {
    await withDeadline(components.clock, REFUSAL_LINGER_MS, (signal) =>
      connection.close({ signal }),
    );
  } catch (error) {
    components.logger.debug(
      { peer: peerOf(connection), error },
      'a connection did not close in time and is aborted',
    );
    connection.abort(reason);
  }
}
