/**
 * Makes one board equal at two peers, over a stream of `/starling/board/1/<name>`: each side says its
 * state vector and digest, sends what the other lacks, and closes. Equal boards cost one small
 * message each way.
 */
import { StarlingError, messageOf } from '../core/index.ts';
import type { Clock, Logger, PeerId } from '../core/index.ts';
import { createMessageChannel } from '../network/index.ts';
import type { MessageChannel, Network, PeerStream } from '../network/index.ts';
import type { HeldBoard } from './board.ts';
import { decodeMessage, encodeMessage } from './codec.ts';
import { LIMITS } from './limits.ts';

/** The protocol of one board's sync. */
export const BOARD_PROTOCOL = '/starling/board/1';

const SYNC_TIMEOUT_MS = 60_000;
const NAME_BYTES_MAX = 256;

/** What a sync works with. */
export interface BoardSyncComponents {
  readonly network: Pick<Network, 'open'>;
  /** The board of this name, opened when it is new here; undefined when it can't be. */
  open(name: string): Promise<HeldBoard | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Syncs `board` with `peer`, asked for by us. Rejects when the stream fails. */
export async function syncBoard(
  components: BoardSyncComponents,
  peer: PeerId,
  board: HeldBoard,
): Promise<void> {
  const stream = await components.network.open(peer, BOARD_PROTOCOL, {
    signal: AbortSignal.timeout(SYNC_TIMEOUT_MS),
  });
  const channel = createMessageChannel(stream, { maxBytes: LIMITS.boardBytes });
  channel.send(Buffer.from(board.name, 'utf8'));
  await exchange(components, channel, board);
}

/** Serves a sync that a peer asked for. */
export function serveSync(components: BoardSyncComponents, stream: PeerStream): void {
  const channel = createMessageChannel(stream, { maxBytes: LIMITS.boardBytes });
  let begun = false;
  const early: Uint8Array[] = [];
  channel.onMessage((bytes) => {
    if (begun) {
      early.push(bytes);
      return;
    }
    begun = true;
    const name = bytes.length <= NAME_BYTES_MAX ? Buffer.from(bytes).toString('utf8') : '';
    components
      .open(name)
      .then((board) => {
        if (board === undefined) {
          channel.abort(new StarlingError('STARLING_BOARD_INVALID', 'this board is not held here'));
          return undefined;
        }
        return exchange(components, channel, board, early);
      })
      .catch((error: unknown) =>
        components.logger.debug({ peer: stream.peer, error: messageOf(error) }, 'board not synced'),
      );
  });
}

function exchange(
  components: BoardSyncComponents,
  channel: MessageChannel,
  board: HeldBoard,
  early: readonly Uint8Array[] = [],
): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancelTimer = components.clock.schedule(SYNC_TIMEOUT_MS, () =>
      channel.abort(
        new StarlingError('STARLING_TIMEOUT', `the sync of board '${board.name}' took too long`),
      ),
    );
    channel.onEnd((error) => {
      cancelTimer();
      if (error === undefined) board.flushed().then(resolve, reject);
      else reject(error);
    });
    const receive = (bytes: Uint8Array): void => {
      const problem = handle(channel, board, bytes);
      if (problem !== undefined)
        channel.abort(new StarlingError('STARLING_PROTOCOL_VIOLATION', problem));
    };
    channel.onMessage(receive);
    channel.send(
      encodeMessage({ t: 'state', vector: board.document.vector(), digest: board.digest() }),
    );
    for (const bytes of early) receive(bytes);
  });
}

/** Takes one message; returns what is wrong with it. */
function handle(channel: MessageChannel, board: HeldBoard, bytes: Uint8Array): string | undefined {
  const message = decodeMessage(bytes);
  if (message === undefined) return 'not a message about a board';
  if (message.t === 'update') {
    return board.take(message.update) ? undefined : 'not an update of a board';
  }
  if (message.digest !== board.digest()) {
    const update = board.document.diff(message.vector);
    if (update === undefined) return 'not a state vector';
    channel.send(encodeMessage({ t: 'update', update }));
  }
  void channel.close();
  return undefined;
}
