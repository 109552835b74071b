/** What a failed dial means, and how a person is told. Pure. */
import { StarlingError } from '../../core/index.ts';
import { reasonsOf } from '../failure-words.ts';

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
  if (!(error instanceof Error) || error.name !== 'EncryptionFailedError') return false;
  return !/certificate (?:is not valid yet|has expired)/.test(error.message);
}

/** The one error of a target to which every way has failed. */
export function unreachable(target: string, failures: readonly unknown[]): StarlingError {
  const reasons = new Set(failures.flatMap(reasonsOf));
  const why =
    reasons.size === 0
      ? 'no address of it is known'
      : [...reasons].slice(0, REASONS_MAX).join('; ');
  return new StarlingError('STARLING_PEER_UNREACHABLE', `can't reach ${target}: ${why}`, {
    hint: why.includes('clock')
      ? 'set the clock that is wrong, best by NTP: timedatectl set-ntp true'
      : 'check that the node runs there and that its address and port are right',
    data: { peer: target, reason: why },
    cause: failures[0],
  });
}
