/** What a failed dial means, and how a person is told. Pure. */
import { StarlingError, messageOf } from '../../core/index.ts';

/** How libp2p begins its messages, and what to say in place of them. */
const WORDS: readonly (readonly [theirs: string, ours: string])[] = [
  ['Can not dial self', 'an address of it leads back to this node'],
  ['Unexpected Peer', 'another node is at its address'],
  ['The connection gater denied', 'none of its addresses may be dialled from here'],
];

/** Reasons that one message names. */
const REASONS_MAX = 4;

/** Whether the other side answered and refused: then other ways to it are refused as well. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof StarlingError)) return false;
  return !['STARLING_PEER_UNREACHABLE', 'STARLING_TIMEOUT', 'STARLING_LIMIT_EXCEEDED'].includes(
    error.code,
  );
}

/** Whether the other end has not proven the key that was asked for. */
export function isOtherKey(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isOtherKey);
  return error instanceof Error && error.name === 'EncryptionFailedError';
}

/** The one error of a target to which every way has failed. */
export function unreachable(target: string, failures: readonly unknown[]): StarlingError {
  const reasons = new Set(failures.flatMap(reasonsOf));
  const why =
    reasons.size === 0
      ? 'no address of it is known'
      : [...reasons].slice(0, REASONS_MAX).join('; ');
  return new StarlingError('STARLING_PEER_UNREACHABLE', `can't reach ${target}: ${why}`, {
    hint: 'check that the node runs there and that its address and port are right',
    data: { peer: target, reason: why },
    cause: failures[0],
  });
}

function reasonsOf(error: unknown): string[] {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.flatMap(reasonsOf);
  }
  const text = messageOf(error);
  return [WORDS.find(([theirs]) => text.startsWith(theirs))?.[1] ?? text];
}
